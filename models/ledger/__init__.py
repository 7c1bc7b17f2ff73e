"""Ledger: one partition's state, advanced record by record, stored as rows and described for people."""
