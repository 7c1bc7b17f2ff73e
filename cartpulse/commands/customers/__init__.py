"""Commands about one customer: show, export, erase."""
