"""The demonstration: a year of real purchases through a real broker and real workers."""
