"""OpenStreetMap in words: which tags can be seen, how they read, what may be said of a chip, and what may not."""
