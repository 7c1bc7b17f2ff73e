"""The console: options that commands share, terminals, and how a command ends."""
