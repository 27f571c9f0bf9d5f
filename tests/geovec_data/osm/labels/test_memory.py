"""GeoPackage and GeoParquet files of any size: GDAL and Arrow, which allocate for themselves, hold a part at a time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.fixtures.osm import lonlat, rect

FEW, MANY = 4_000, 60_000
BYTES = 1_500  # of a row's text, which nothing compresses

READ = """
import json, sys
from pathlib import Path
from geovec_data.osm.labels import geopackage, geoparquet
from geovec_data.osm.labels.feature import Tally
from geovec_data.osm.labels.label_files import features
geopackage._ROWS = geoparquet._ROWS = 256
peaks = []
for path in map(Path, sys.argv[1:]):
    peak = 0
    for number, _ in enumerate(features(path, Tally())):
        if number % 500 == 0:  # not getrusage: it would count what this was forked from, and files' pages
            status = Path("/proc/self/status").read_text()
            peak = max(peak, int(status.split("RssAnon:")[1].split()[0]) * 1024)
    peaks.append((number + 1, peak))
print(json.dumps(peaks))
"""


def houses(path: Path, count: int) -> Path:
    """So many houses with long names."""
    import geopandas
    import shapely

    letters = np.random.default_rng(count).integers(97, 123, (count, BYTES), dtype=np.uint8)
    ring = shapely.Polygon([lonlat(*p) for p in rect(20, 20, 40, 30)])
    columns = {
        "osm_id": np.arange(count),
        "building": ["house"] * count,
        "name": [row.tobytes().decode("ascii") for row in letters],
    }
    frame = geopandas.GeoDataFrame(columns, geometry=[ring] * count, crs="EPSG:4326")
    if path.suffix == ".gpkg":
        frame.to_file(path)
    else:
        frame.to_parquet(path, compression=None)
    return path


@pytest.mark.parametrize("suffix", ["gpkg", "parquet"])
def test_memory_does_not_grow_with_the_file(suffix: str, tmp_path: Path) -> None:
    files = [houses(tmp_path / f"{count}.{suffix}", count) for count in (FEW, MANY)]
    done = subprocess.run([sys.executable, "-c", READ, *map(str, files)], capture_output=True, text=True, check=True)
    (few, before), (many, after) = json.loads(done.stdout)
    assert (few, many) == (FEW, MANY)
    larger = files[1].stat().st_size - files[0].stat().st_size
    assert larger > 80 * 2**20
    assert after - before < larger / 2  # with a whole row group in memory it is more than `larger`
