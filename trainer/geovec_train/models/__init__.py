"""Encoders: what they eat, how they are made, loaded and saved."""
