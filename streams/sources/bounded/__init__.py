"""Sorting and counting of more than memory holds."""
