"""Statuses of orders, which show the rows of a file that are sales."""
