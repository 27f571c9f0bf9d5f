"""From an OSM PBF to the labelled areas of a bounding box: this reader against QuackOSM and GDAL's driver.

python -m benchmarks.osm_labels FILE.osm.pbf WEST,SOUTH,EAST,NORTH --quackosm PYTHON [--rounds 3]

Each tool runs as a process of its own, from nothing (no cache), and counts the areas with one of the table's keys whose
bounds touch the box. PYTHON is the interpreter of a virtual environment that holds
QuackOSM, which fetches DuckDB's spatial extension over the network. Our own run builds the index that later chips reuse
and asks it once. GDAL's count misses areas whose key is only among its ``other_tags``.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks.measure import machine, median, run, save

RESULTS = Path(__file__).parent / "results"

OURS = """
import sys, tempfile
from pathlib import Path
from geovec_data.readers.osm_index import open_index
from geovec_data.readers.osm_categories import KEYS, label_of
west, south, east, north = map(float, sys.argv[2].split(","))
with tempfile.TemporaryDirectory() as cache:
    found = open_index(Path(sys.argv[1]), Path(cache)).query((west, south, east, north))
    print(sum(f.geometry is not None and label_of(f.tags, KEYS, f.osm_type == "way") is not None for f in found))
"""
GDAL = """
import sys, json, pyogrio
frame = pyogrio.read_dataframe(sys.argv[1], layer="multipolygons", bbox=tuple(map(float, sys.argv[2].split(","))))
keys = [k for k in json.loads(sys.argv[3]) if k in frame]
print(int(frame[keys].notna().any(axis=1).sum()))
"""
QUACKOSM = """
import sys, json, tempfile, shapely, quackosm
box = shapely.box(*map(float, sys.argv[2].split(",")))
with tempfile.TemporaryDirectory() as work:
    frame = quackosm.convert_pbf_to_geodataframe(
        sys.argv[1], tags_filter={k: True for k in json.loads(sys.argv[3])}, geometry_filter=box,
        working_directory=work, ignore_cache=True, verbosity_mode="silent")
print(int(frame.geom_type.isin(["Polygon", "MultiPolygon"]).sum()))
"""


def main() -> None:
    """Run each tool and save the medians."""
    from geovec_data.readers.osm_categories import KEYS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("box")
    parser.add_argument("--quackosm")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    tools = {"geovec": (sys.executable, OURS), "gdal": (sys.executable, GDAL)}
    if given.quackosm:
        tools["quackosm"] = (given.quackosm, QUACKOSM)
    results = {}
    for name, (python, code) in tools.items():
        command = [python, "-c", code, str(given.file), given.box, json.dumps(KEYS)]
        runs = [run(command) for _ in range(given.rounds)]
        results[name] = {k: median([getattr(r, k) for r in runs]) for k in ("wall", "cpu", "peak_mb")}
    save(
        RESULTS / "osm_labels.json",
        {"machine": machine(), "file": given.file.name, "box": given.box, "rounds": given.rounds, "tools": results},
    )


if __name__ == "__main__":
    main()
