"""One script a figure; each writes a JSON file into results/ and prints it."""
