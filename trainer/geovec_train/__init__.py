"""Train and evaluate interleaved embedders on a GeoVec dataset."""
