"""Measures of predictions against what was seen, written out."""
