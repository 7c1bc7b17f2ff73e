"""`python -m cartpulse` is `cartpulse`."""

from cartpulse.main import main

if __name__ == "__main__":
    main()
