"""Engines: where the units of a build run."""
