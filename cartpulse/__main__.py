"""Entry point that makes `python -m cartpulse` the same command as `cartpulse`."""

import signal

# The imports take a second, and Ctrl-C during the imports would end in a traceback. `main` installs a handler
# that ends in words.
signal.signal(signal.SIGINT, signal.SIG_DFL)

from cartpulse.main import main  # noqa: E402

if __name__ == "__main__":
    main()
