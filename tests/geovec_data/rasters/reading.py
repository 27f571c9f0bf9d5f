"""The scenes and rejects that `raster_osm` makes of a folder of images of the small town."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from geovec_data.readers.raster_osm import RasterOsm, RasterOsmOptions
from geovec_data.records import Reject, Scene
from tests.fixtures.osm import SIZE, pixels, small_town


def read(root: Path, labels: Path, **options: Any) -> tuple[list[Scene], list[Reject]]:
    reader = RasterOsm(root, RasterOsmOptions(labels=str(labels), **options), "osm")
    out = [s for e in reader.entries() for s in reader.read(e)]
    return [s for s in out if isinstance(s, Scene)], [r for r in out if isinstance(r, Reject)]


def codes(rejects: list[Reject]) -> dict[str, int]:
    return dict(Counter(r.code for r in rejects if r.level == "scene"))


def town(tmp_path: Path) -> Path:
    return small_town(tmp_path / "labels" / "town.osm.pbf")


def rgb(side: int = SIZE, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.moveaxis(pixels(side, seed), -1, 0)
