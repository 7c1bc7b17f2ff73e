"""Recommendations: what a customer may be offered, in which order, and the events that say so."""
