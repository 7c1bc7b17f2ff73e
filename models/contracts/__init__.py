"""Contracts: what comes in, what goes out, what is refused, and the documents that describe them."""
