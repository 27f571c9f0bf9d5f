"""Out of the dataset: the same images, examples and negatives in the forms that other tools load."""
