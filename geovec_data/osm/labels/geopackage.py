"""OSM features in a GeoPackage, streamed in batches through GDAL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from geovec_data.errors import UserError
from geovec_data.osm.labels.feature import Bounds, Feature, Tally
from geovec_data.osm.labels.row import bounds_in, row_feature

_ROWS = 4096


def read_geopackage(path: Path, tally: Tally, within: Bounds | None = None) -> Iterator[Feature]:
    """Stream the features of every layer of a GeoPackage; `within` goes through its spatial index.

    Raises:
        UserError: when GDAL cannot read it, or a layer has no CRS.
    """
    import pyogrio
    import shapely
    from pyogrio.errors import DataLayerError, DataSourceError

    try:
        for layer, kind in pyogrio.list_layers(path):
            if kind is None:  # a table without geometry
                continue
            crs = pyogrio.read_info(path, layer=layer)["crs"]
            if not crs:
                raise UserError(
                    f"source.labels={path}: layer '{layer}' has no CRS. Set it, e.g. with geopandas:"
                    " frame.set_crs('EPSG:4326').to_file(…)"
                )
            box = None if within is None else bounds_in(within, crs, str(path))
            with pyogrio.open_arrow(path, layer=layer, use_pyarrow=True, batch_size=_ROWS, bbox=box) as (meta, batches):
                column = meta["geometry_name"] or "wkb_geometry"
                for row in (r for batch in batches for r in batch.to_pylist()):
                    geometry = shapely.from_wkb(row.pop(column), on_invalid="ignore")
                    feature = row_feature(geometry, row, tally, crs, f"{path} layer {layer}", within)
                    if feature is not None:
                        yield feature
    except (DataSourceError, DataLayerError) as error:
        raise UserError(f"source.labels={path} cannot be read as a GeoPackage ({error})") from error
