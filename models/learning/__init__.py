"""Learning: formulas on arrays, from purchase intervals to popularity, each with its source."""
