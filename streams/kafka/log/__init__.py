"""Kafka logs: read to their end, and batch by batch where a client cannot decode them."""
