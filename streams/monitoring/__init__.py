"""Monitoring: health, metrics as Prometheus reads them, and the web server for both."""
