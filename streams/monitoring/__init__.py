"""Monitoring: health, metrics in the format of Prometheus, and the web server for both."""
