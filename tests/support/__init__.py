"""What tests stand on: brokers, and the settings that keep tests on one broker apart."""
