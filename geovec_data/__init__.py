"""GeoVec: public remote-sensing corpora and OSM labels to one verified, mined embedding dataset."""

__version__ = "0.1.0"
