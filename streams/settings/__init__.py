"""Settings: what can be set by environment variables, and the page that lists it."""
