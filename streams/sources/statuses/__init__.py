"""Statuses of orders: which rows of a file are sales."""
