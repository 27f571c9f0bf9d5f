"""A build: a plan of units, what a worker does with one of them, and what is refused."""
