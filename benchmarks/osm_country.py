"""Peak memory of indexing an OSM file the size of a country: does it grow with the file?

python -m benchmarks.osm_country [--millions 4,16,64]

No country's file is at hand, so one is generated: nodes in random places of a square of ten degrees, and a building of
four nodes for every hundred. Each size is indexed by a process of its own, from nothing. `anonymous_mb` is the memory
that no file backs; `resident_mb` counts the pages of the node file too, which the kernel writes back and takes when it
needs them.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.measure import machine, save

RESULTS = Path(__file__).parent / "results"
POLL_S = 0.05
EVERY = 100  # nodes a building

INDEX = """
import sys, tempfile
from pathlib import Path
from geovec_data.osm.labels.index import open_index
with tempfile.TemporaryDirectory(dir=sys.argv[2]) as cache:
    print(open_index(Path(sys.argv[1]), Path(cache)).count)
"""


def write(path: Path, nodes: int) -> None:
    """Write an OSM file of that many nodes."""
    import osmium

    header = osmium.io.Header()
    header.add_box(osmium.osm.Box(0, 0, 10, 10))
    node, way, uniform = osmium.osm.mutable.Node, osmium.osm.mutable.Way, random.Random(4).uniform
    with osmium.SimpleWriter(str(path), header=header, overwrite=True) as writer:
        for start in range(1, nodes, EVERY):
            x, y = uniform(0, 9.99), uniform(0, 9.99)
            corners = [(x, y), (x + 1e-4, y), (x + 1e-4, y + 1e-4), (x, y + 1e-4)]
            for n, place in enumerate(corners):
                writer.add_node(node(id=start + n, location=place, version=1))
            for n in range(4, EVERY):
                writer.add_node(node(id=start + n, location=(uniform(x, x + 0.01), uniform(y, y + 0.01)), version=1))
        for start in range(1, nodes, EVERY):
            refs = [start, start + 1, start + 2, start + 3, start]
            writer.add_way(way(id=start, nodes=refs, tags={"building": "yes"}, version=1))


def peaks(command: list[str]) -> dict[str, float]:
    """Run a command; return its CPU seconds and the peaks of its anonymous and its resident memory in MB."""
    import psutil

    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    found = {"anonymous_mb": 0.0, "resident_mb": 0.0}
    own = psutil.Process(process.pid)
    cpu = 0.0
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
            cpu = sum(own.cpu_times()[:2])
        except (OSError, psutil.Error):
            break
        rows = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        for name, row in (("anonymous_mb", "RssAnon"), ("resident_mb", "VmRSS")):
            if row in rows:
                found[name] = max(found[name], int(rows[row].split()[0]) / 1024)
        time.sleep(POLL_S)
    out, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{command} ended with {process.returncode}")
    return {k: round(v, 1) for k, v in found.items()} | {"cpu": round(cpu, 1), "features": int(out)}


def main() -> None:
    """Generate each size, index it, and save the peaks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--millions", default="4,16,64")
    parser.add_argument("--work", type=Path, help="folder with room for the files")
    given = parser.parse_args()
    results: list[dict[str, Any]] = []
    for millions in map(float, given.millions.split(",")):
        with tempfile.TemporaryDirectory(dir=given.work) as work:
            file = Path(work) / "country.osm.pbf"
            write(file, int(millions * 1e6))
            size = round(file.stat().st_size / 2**20, 1)
            found = peaks([sys.executable, "-c", INDEX, str(file), work])
            results.append({"million_nodes": millions, "file_mb": size} | found)
    save(RESULTS / "osm_country.json", {"machine": machine(), "sizes": results})


if __name__ == "__main__":
    main()
