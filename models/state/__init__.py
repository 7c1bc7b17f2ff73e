"""State of one partition, and one step that changes it."""
