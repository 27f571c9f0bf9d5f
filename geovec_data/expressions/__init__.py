"""Referring expressions and captions from labels, and the checker that lets only true and unique ones pass."""

from geovec_data.expressions.emit import synthesise

__all__ = ["synthesise"]
