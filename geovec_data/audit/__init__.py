"""Proof that mined negatives are negatives: how many are right after all, on data whose truth is known."""
