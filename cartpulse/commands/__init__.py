"""Commands, one file each, grouped by subject."""
