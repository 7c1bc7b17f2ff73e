"""Quality: predictions of the ledger beside baselines, on the same pairs and labels, in one run."""
