"""The process: its logs, memory, version, exit status and shutdown."""
