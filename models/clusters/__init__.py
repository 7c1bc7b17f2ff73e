"""Clusters: how customers shop, in words, and who has moved from one cluster to another."""
