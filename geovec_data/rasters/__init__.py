"""Georeferenced rasters: where they lie, how they are cut into windows, and how a window becomes a picture."""
