"""Movement of events: settings, topics, brokers, partitions, delivery, recovery and sources."""
