"""Value of a customer: the chance of another purchase within 90 days, and the spend to expect in them."""
