"""Chips from one large GeoTIFF: `recipe=osm` against a bare rasterio windowed read and PNG encode.

python -m benchmarks.osm_chips [--side 10000] [--overlap 256] [--repeats 3] [--workers 2]

The raster is generated: `side` × `side` pixels, 8-bit RGB, photograph-like (blurred noise of several scales and grain),
tiled 512 × 512, deflate. The peer is what one would write without GeoVec: as many processes as the build has workers,
each opens the raster, reads its share of the same 512 × 512 windows with rasterio and encodes each with Pillow's PNG
encoder, as the reader does; it keeps nothing. The build does that and all the rest: it plans the units, asks the map
(one building a chip) for each chip, checks and hashes the chip, writes its row, runs the final stage (duplicates,
splits, leak gate) and leaves a dataset that `verify` accepts. `chips` has the tasks that need no text
(image_to_coordinate, coordinate_to_image), so that what is timed is imagery; `whole` has all tasks of the recipe with
their captions, expressions and questions, for information. Runs alternate; the ratio is of the medians.

What is asked is chips per second, so both cut the raster with an overlap of 256 pixels by default, 1,521 chips: without
(`--overlap 0`) it holds 400, which are done so soon that the build's start and final stage, some two seconds for one
chip or a million, are a fifth of its time. Both run with compiled bytecode, as installed packages do.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import sys
import tempfile
from collections import defaultdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.measure import Run, machine, median, run, save

RESULTS = Path(__file__).parent / "results"
WINDOW = 512
STEP = 0.3  # metres
X0, Y0 = 354_000.0, 3_057_000.0  # EPSG:32645
CHIPS = (
    "reader.align=off",
    "tasks=image_to_coordinate,coordinate_to_image",
    *(f"synthesise.{texts}=false" for texts in ("expressions", "captions", "questions")),
)


def write_raster(path: Path, side: int) -> None:
    """Write the raster, tile by tile: its memory does not grow with it."""
    import numpy as np
    import rasterio
    from rasterio.transform import Affine
    from rasterio.windows import Window

    profile: dict[str, Any] = {
        "driver": "GTiff", "width": side, "height": side, "count": 3, "dtype": "uint8", "crs": "EPSG:32645",
        "transform": Affine(STEP, 0, X0, 0, -STEP, Y0), "tiled": True, "blockxsize": WINDOW, "blockysize": WINDOW,
        "compress": "deflate", "predictor": 2, "photometric": "RGB", "BIGTIFF": "IF_SAFER",
    }  # fmt: skip
    rng = np.random.default_rng(7)
    with rasterio.open(path, "w", **profile) as raster:
        for y in range(0, side, WINDOW):
            for x in range(0, side, WINDOW):
                tile = photo(rng, WINDOW)[:, : side - y, : side - x]
                raster.write(tile, window=Window(x, y, tile.shape[2], tile.shape[1]))


def photo(rng: Any, side: int) -> Any:
    """Return (3, side, side): noise at scales from 2 to 128 pixels, alike in the three bands, with a little grain."""
    import numpy as np
    from PIL import Image

    total = np.zeros((side, side, 3))
    for scale in (2, 8, 32, 128):
        coarse = rng.normal(0, 1, (side // scale, side // scale, 1)) + rng.normal(
            0, 0.3, (side // scale, side // scale, 3)
        )
        image = Image.fromarray(np.clip(coarse * 40 + 128, 0, 255).astype(np.uint8))
        total += (np.asarray(image.resize((side, side), Image.Resampling.BICUBIC)).astype(float) - 128) * scale**0.3
    grain = rng.normal(0, 2, (side, side, 3))
    return np.moveaxis(np.clip(total * 0.5 + 120 + grain, 0, 255).astype(np.uint8), -1, 0)


def write_labels(path: Path, side: int) -> None:
    """Write one building of 12 m × 9 m for each window, and the extent that they cover."""
    from pyproj import Transformer

    degrees = Transformer.from_crs("EPSG:32645", "EPSG:4326", always_xy=True)

    def corner(x: float, y: float) -> list[float]:
        return [round(v, 7) for v in degrees.transform(X0 + x * STEP, Y0 - y * STEP)]

    rows: list[dict[str, Any]] = []
    for y in range(100, side, WINDOW):
        for x in range(100, side, WINDOW):
            ring = [corner(x, y), corner(x + 40, y), corner(x + 40, y + 30), corner(x, y + 30), corner(x, y)]
            building = {"osm_id": len(rows) + 1, "building": "house"}
            rows.append(
                {"type": "Feature", "properties": building, "geometry": {"type": "Polygon", "coordinates": [ring]}}
            )
    west, north = corner(-50, -50)
    east, south = corner(side + 50, side + 50)
    extent = [west - 0.01, south - 0.01, east + 0.01, north + 0.01]
    path.write_text(json.dumps({"type": "FeatureCollection", "bbox": extent, "features": rows}), encoding="utf-8")


def starts(side: int, overlap: int) -> list[int]:
    """Return the left edges of the windows; the last is moved back to end at the edge, as the reader does."""
    edges = list(range(0, side - WINDOW + 1, WINDOW - overlap))
    return edges if edges[-1] + WINDOW == side else [*edges, side - WINDOW]


def bare_rows(path: str, rows: list[int], columns: list[int]) -> int:
    """Read and encode rows of windows; returns the bytes made."""
    import numpy as np
    import rasterio
    from PIL import Image
    from rasterio.windows import Window

    size = 0
    with rasterio.open(path) as raster:
        for y in rows:
            for x in columns:
                data = raster.read([1, 2, 3], window=Window(x, y, WINDOW, WINDOW))
                out = io.BytesIO()
                Image.fromarray(np.ascontiguousarray(np.moveaxis(data, 0, -1))).save(out, "PNG")
                size += len(out.getvalue())
    return size


def bare(path: Path, edges: list[int], workers: int) -> None:
    """Read and encode all windows in some processes."""
    with get_context("spawn").Pool(workers) as pool:
        print(sum(pool.starmap(bare_rows, [(str(path), [y], edges) for y in edges], chunksize=1)))


def commands(folder: Path, side: int, overlap: int, workers: int) -> dict[str, list[str]]:
    """Return what is timed on a folder's raster and labels, by name."""
    write_raster(folder / "big.tif", side)
    write_labels(folder / "labels.geojson", side)
    source = [f"source.imagery={folder / 'big.tif'}", f"source.labels={folder / 'labels.geojson'}"]
    build = [sys.executable, "-m", "geovec_data.cli", "build", "recipe=osm", *source]
    build += [f"reader.overlap={overlap}", f"workers={workers}"]
    peer = [sys.executable, "-m", "benchmarks.osm_chips", "--bare", str(folder / "big.tif")]
    peer += ["--side", str(side), "--overlap", str(overlap), "--workers", str(workers)]
    return {"bare": peer, "chips": [*build, *CHIPS], "whole": build}


def timed(name: str, command: list[str], out: Path, env: dict[str, str]) -> Run:
    """Run a command; a build writes to `out`."""
    return run([*command, *([] if name == "bare" else [f"out={out}"])], env)


def main() -> None:
    """Generate, measure, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=10_000)
    parser.add_argument("--overlap", type=int, default=WINDOW // 2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--bare", type=Path)
    given = parser.parse_args()
    edges = starts(given.side, given.overlap)
    if given.bare:
        bare(given.bare, edges, given.workers)
        return
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        env = {
            "GEOVEC_CACHE": str(folder / "cache"),
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": str(folder / "compiled"),
        }
        for size in (3 * WINDOW, given.side):  # the first for the bytecode
            (here := folder / str(size)).mkdir()
            runs: dict[str, list[Run]] = defaultdict(list)
            todo = commands(here, size, given.overlap, given.workers)
            for turn in range(given.repeats if size == given.side else 1):
                for name, command in todo.items():
                    runs[name].append(timed(name, command, here / f"{name}{turn}", env))
                    shutil.rmtree(here / f"{name}{turn}", ignore_errors=True)
    chips = len(edges) ** 2
    wall = {name: median([r.wall for r in found]) for name, found in runs.items()}
    cpu = {name: median([r.cpu for r in found]) for name, found in runs.items()}
    result = {
        "machine": machine(),
        "side": given.side,
        "overlap": given.overlap,
        "chips": chips,
        "workers": given.workers,
        "runs": runs,
        "chips_per_second": {name: round(chips / seconds, 1) for name, seconds in wall.items()},
        "wall_ratio": {name: round(wall[name] / wall["bare"], 3) for name in ("chips", "whole")},
        "cpu_ratio": {name: round(cpu[name] / cpu["bare"], 3) for name in ("chips", "whole")},
    }
    save(RESULTS / "osm_chips.json", result)


if __name__ == "__main__":
    main()
