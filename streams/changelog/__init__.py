"""Changelog: rows framed in record batches, recovery from them, checkpoints and standbys."""
