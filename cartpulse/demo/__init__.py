"""Demonstration: a year of real purchases through a real broker and real workers."""
