"""Group membership: commits that prove it, lag, the watchdog, and supervised tasks."""
