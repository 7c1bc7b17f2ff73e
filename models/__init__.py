"""Models: the contracts, a customer's state, and every model that learns. Pure: no I/O, no clock."""
