"""From an OSM PBF to the features of a bounding box: this reader against GDAL's driver, pyrosm and QuackOSM.

python -m benchmarks.osm_labels FILE.osm.pbf --box=WEST,SOUTH,EAST,NORTH [--pyrosm PYTHON] [--quackosm PYTHON]

Each tool runs as a process of its own, from nothing (no cache), and makes geometry and tags of the areas, lines and
points with one of the table's keys whose bounds touch the box. The others give all of them, `geovec` those that the
table of tags knows, a third of the points: it sorts them out on the way, which the others leave to their caller.
``gdal_areas`` and ``pyrosm_areas`` make only areas, less than `geovec` does in its run; they are for comparison. PYTHON
is the interpreter of a virtual environment that holds the tool; QuackOSM needs DuckDB's spatial extension, which comes
over the network. Rounds alternate between the tools, so that a noisy machine is unkind to all.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from benchmarks.measure import machine, median, run, save

RESULTS = Path(__file__).parent / "results"

HEAD = """
import sys, json
path, box, keys = sys.argv[1], tuple(map(float, sys.argv[2].split(","))), json.loads(sys.argv[3])
"""
OURS = """
from pathlib import Path
from collections import Counter
from geovec_data.osm.labels.feature import Tally
from geovec_data.osm.labels.label_files import features
found = list(features(Path(path), Tally(), None, box))
print(json.dumps(Counter(f.form for f in found if f.geometry is not None)))
"""
GDAL = """
import pyogrio
count = {}
for layer, form in LAYERS.items():
    frame = pyogrio.read_dataframe(path, layer=layer, bbox=box)
    wanted = frame[[k for k in keys if k in frame]].notna().any(axis=1)
    wanted |= frame["other_tags"].str.contains('"(?:' + "|".join(keys) + ')"=>', regex=True, na=False)
    count[form] = int(wanted.sum())
print(json.dumps(count))
"""
PYROSM = """
from pyrosm import OSM
osm = OSM(path, bounding_box=list(box))
frame = osm.get_data_by_custom_criteria(custom_filter={k: True for k in keys}, keep_nodes=NODES)
print(json.dumps(frame.geom_type.value_counts().to_dict()))
"""
QUACKOSM = """
import tempfile, shapely, quackosm
with tempfile.TemporaryDirectory() as work:
    frame = quackosm.convert_pbf_to_geodataframe(
        path, tags_filter={k: True for k in keys}, geometry_filter=shapely.box(*box),
        working_directory=work, ignore_cache=True, verbosity_mode="silent")
print(json.dumps(frame.geom_type.value_counts().to_dict()))
"""
AREA_KEYS = ["building", "leisure", "amenity", "natural", "landuse"]


def main() -> None:
    """Run each tool and save the medians."""
    from geovec_data.osm.tags import KEYS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--box", required=True)
    parser.add_argument("--pyrosm")
    parser.add_argument("--quackosm")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    every = "LAYERS = {'multipolygons': 'area', 'lines': 'line', 'points': 'point'}"
    tools = {
        "geovec": (sys.executable, OURS, KEYS),
        "gdal": (sys.executable, every + GDAL, KEYS),
        "gdal_areas": (sys.executable, "LAYERS = {'multipolygons': 'area'}" + GDAL, KEYS),
    }
    if given.pyrosm:
        tools["pyrosm"] = (given.pyrosm, "NODES = True" + PYROSM, KEYS)
        tools["pyrosm_areas"] = (given.pyrosm, "NODES = False" + PYROSM, tuple(AREA_KEYS))
    if given.quackosm:
        tools["quackosm"] = (given.quackosm, QUACKOSM, KEYS)
    commands = {
        name: [python, "-c", HEAD + code, str(given.file), given.box, json.dumps(keys)]
        for name, (python, code, keys) in tools.items()
    }
    runs = {name: [] for name in commands}  # type: ignore[var-annotated]
    for _ in range(given.rounds):
        for name, command in commands.items():
            runs[name].append(run(command))
    results = {
        name: {k: median([getattr(r, k) for r in own]) for k in ("wall", "cpu", "peak_mb")}
        | {"found": json.loads(subprocess.run(commands[name], capture_output=True, check=True).stdout)}
        for name, own in runs.items()
    }
    save(
        RESULTS / "osm_labels.json",
        {"machine": machine(), "file": given.file.name, "box": given.box, "rounds": given.rounds, "tools": results},
    )


if __name__ == "__main__":
    main()
