"""Files of purchases: surveyed as a whole, then read line by line into baskets."""
