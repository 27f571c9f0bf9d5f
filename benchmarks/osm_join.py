"""Spatial join of generated regions with chips through the index that the reader uses.

python -m benchmarks.osm_join [--regions 1000000] [--chips 100000]

Regions are squares of 12 m, spread evenly over a square of 350 km; chips are the squares of a grid that covers it
without gaps or overlap (at least as many as asked for). The index is written through the reader's own builder before
the clock starts; the join opens it and asks for every chip's bounds, so hits come back as geometry with tags.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.measure import machine, run, save

RESULTS = Path(__file__).parent / "results"
SPAN = 3.16  # degrees east and north; regions and chips are spread evenly


def build(folder: Path, count: int) -> None:
    """Write the index of `count` generated buildings."""
    import numpy as np
    import shapely

    from geovec_data.osm.labels import index_build as osm_index_build
    from geovec_data.osm.labels.feature import Feature

    rng = np.random.default_rng(4)

    def made(_path: Path, tally: Any, *_rest: Any) -> Iterator[Feature]:
        tally.extent = (0.0, 0.0, SPAN, SPAN)
        for number, (x, y) in enumerate(rng.uniform(0.0, SPAN - 0.001, (count, 2))):
            box = shapely.box(x, y, x + 0.0001, y + 0.0001)
            yield Feature(
                geometry=box, tags={"building": "yes"}, osm_type="way", osm_id=number, version=1, bounds=box.bounds
            )

    setattr(osm_index_build, "features", made)  # noqa: B010 - in place of reading files
    folder.mkdir()
    osm_index_build.build_index((Path("made.osm"),), folder)


def join(folder: Path, chips: int) -> None:
    """Ask for every chip's features; print how many pairs there were."""
    from geovec_data.osm.labels.index import LabelIndex

    index = LabelIndex(folder, folder)
    side = math.ceil(chips**0.5)
    step, pairs = SPAN / side, 0
    for row in range(side):
        for column in range(side):
            x, y = column * step, row * step
            pairs += len(index.query((x, y, x + step, y + step)))
    print(pairs)


def main() -> None:
    """Build, then measure the join in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--regions", type=int, default=1_000_000)
    parser.add_argument("--chips", type=int, default=100_000)
    parser.add_argument("--only", type=Path)
    given = parser.parse_args()
    if given.only:
        join(given.only, given.chips)
        return
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "index"
        build(folder, given.regions)
        command = [sys.executable, "-m", "benchmarks.osm_join", "--only", str(folder), "--chips", str(given.chips)]
        result = run(command)
    save(
        RESULTS / "osm_join.json",
        {"machine": machine(), "regions": given.regions, "chips": given.chips, "join": result},
    )


if __name__ == "__main__":
    main()
