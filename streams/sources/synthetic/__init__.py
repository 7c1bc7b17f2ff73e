"""Invented purchases: seeded, of known truth, for any number of customers."""
