"""Baselines: rules and decayed counts written out, and learners of libraries."""
