"""Sorting and counting of more records than fit in memory."""
