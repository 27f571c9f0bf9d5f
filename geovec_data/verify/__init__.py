"""The check of a finished dataset: every byte, id, reference and count, and what was mined from it."""
