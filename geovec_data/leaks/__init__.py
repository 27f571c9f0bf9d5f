"""The leak gate of the final stage: pairs of images on both sides of a split, by rule, and what is done about them."""
