"""The dataset directory: staging, journal, shards, manifest, catalog."""
