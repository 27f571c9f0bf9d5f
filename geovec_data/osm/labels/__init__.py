"""Label files with OpenStreetMap features: every format streamed to one spatially sorted index."""
