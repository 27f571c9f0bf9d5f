"""A training run: its loop, its folder, what happens at which step, and what it leaves."""
