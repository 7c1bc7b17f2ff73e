"""Tools: what only developers of Cartpulse run; nothing here is installed."""
