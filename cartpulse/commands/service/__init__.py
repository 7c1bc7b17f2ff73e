"""Commands that run a service and look after it."""
