"""The engine: partitions assigned, opened, fetched for, and given up."""
