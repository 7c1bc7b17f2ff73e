"""Membership: commits that prove it, lag, the watchdog, and the tasks that live on it."""
