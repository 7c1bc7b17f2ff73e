"""Memory: numpy columns, runs of records, dictionaries and rows, whatever their content means."""
