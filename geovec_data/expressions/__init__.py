"""Referring expressions and captions from labels, and the checker that lets only true and unique ones pass."""
