"""Faults put into a copy of the engine on purpose: each must make a test fail."""
