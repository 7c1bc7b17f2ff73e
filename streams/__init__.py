"""How events move: settings, topics, brokers, partitions, delivery, recovery and sources."""
