"""Nearest neighbours by inner product: exact in tiles, or found by an index and scored again exactly."""
