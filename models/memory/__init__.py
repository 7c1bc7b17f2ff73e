"""Memory: numpy columns, runs of records, dictionaries and rows, which know nothing of what they hold."""
