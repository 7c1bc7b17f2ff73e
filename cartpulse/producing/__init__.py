"""What `cartpulse produce` is made of: where it stands, how it sends, what it shows."""
