"""State: all that one partition knows, and one step of changing it."""
