"""Faust agents, one file for each, and the worker that runs them all."""
