"""Readers: one file per on-disk layout; each turns it into Scenes."""
