"""Console: options that commands share, terminals, and the end of a command."""
