"""Partition: fetched records become batches for the agent, and steps for delivery."""
