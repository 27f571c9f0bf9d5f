"""From a chip that knows where it lies to its scene: the features in it, aligned and cut at its edge."""
