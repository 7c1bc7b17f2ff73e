"""Kafka clients: made, secured, retried, closed; topics made and checked."""
