"""Where a corpus is found: a folder, the hub, the sample, a list of rasters, or the map over the network."""
