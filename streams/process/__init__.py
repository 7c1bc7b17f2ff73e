"""Process: its logs, memory, version, exit status and shutdown."""
