"""Forms in which files hold their rows: packed, as JSON of every shape, as nested orders, as Parquet."""
