"""Engine: assigns, opens, fetches for and releases the partitions of a flow."""
