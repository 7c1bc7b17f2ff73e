"""Sources of purchases, one file per source, and the sender that writes their records to `purchases`."""
