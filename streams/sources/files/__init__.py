"""Files of purchases: a survey of the whole file, then its lines, one by one, grouped into baskets."""
