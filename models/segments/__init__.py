"""Segments: which one a customer is reported in, and the events of a change."""
