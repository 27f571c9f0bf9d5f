"""The proof: is an encoder better for GeoVec than the best one gets from sentence-transformers alone."""
