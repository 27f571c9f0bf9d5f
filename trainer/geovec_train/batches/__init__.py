"""Batches: the train split as arrays, which examples a step takes, and how their items are made ready."""
