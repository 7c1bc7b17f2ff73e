"""Speed of the ledger and of the whole service, always beside something: `make bench`."""
