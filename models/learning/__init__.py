"""Learning: formulas on arrays, from purchase intervals to popularity; each cites its source."""
