"""Replay: the ledger run over events with no broker, step by step or as a whole."""
