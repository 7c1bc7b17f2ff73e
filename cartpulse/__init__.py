"""The front door: the command line, one small file per command."""
