"""Commands about what comes out: output events and dead letters."""
