"""Log of purchases as the benchmark sees it: cleaned lines, trips, pairs, the windows that are judged."""
