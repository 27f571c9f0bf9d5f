"""Boxes, polygons and coordinates: how they are cut, measured, and written as text."""
