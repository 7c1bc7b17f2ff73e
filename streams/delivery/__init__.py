"""Delivery: steps queued, sent at least once or exactly once, under a lease, and dead letters."""
