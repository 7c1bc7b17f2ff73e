"""Commands about the service's outputs: events and dead letters."""
