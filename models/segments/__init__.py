"""Segments: the segment reported of each customer, and the events of its changes."""
