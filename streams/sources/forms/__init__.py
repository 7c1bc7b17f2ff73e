"""Forms of files that hold rows: packed files, JSON of every shape, nested orders, CSV and Parquet."""
