"""Recommendations: candidates for a customer, their ranking, and the events that carry them."""
