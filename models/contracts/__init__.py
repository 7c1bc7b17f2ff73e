"""Contracts: input events, output events, refusals, and the documents that describe them."""
