"""Delivery: queues steps, sends them at least once or exactly once under a lease, and makes dead letters."""
