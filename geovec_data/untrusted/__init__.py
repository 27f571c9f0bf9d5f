"""Files from strangers, opened safely: images, XML, pickles and broken text."""
