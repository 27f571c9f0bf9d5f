"""Mining and training run on a machine without the geospatial stack and polars."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures.dataset import caption_dataset

HEAVY = ("osgeo", "geopandas", "rasterio", "osmnx", "polars", "shapely", "pyproj", "pyogrio", "fiona", "osmium")

# None in sys.modules makes an import fail and `importlib.util.find_spec` answer None, as if nothing were installed
BLOCKER = f"""
import sys

for name in {HEAVY!r}:
    sys.modules[name] = None
"""

RUN = (
    BLOCKER
    + """
import geovec_data.cli, geovec_train.cli
dataset, work = sys.argv[1:]
def call(main, *arguments):
    code = main(list(arguments))
    assert code == 0, (arguments, code)
train = geovec_train.cli.train_main
call(train, f"dataset={dataset}", "model=tiny", "steps=2", "batch=8", f"out={work}/warm")
call(geovec_data.cli.main, "mine", f"dataset={dataset}", f"encoder={work}/warm", "run=r")
call(train, f"dataset={dataset}", f"model={work}/warm", "negatives=r", "steps=2", "batch=8", f"out={work}/final")
call(geovec_train.cli.eval_main, f"dataset={dataset}", f"model={work}/final")
call(geovec_data.cli.main, "report", f"dataset={dataset}", f"model={work}/final")
"""
)


def test_blocker_blocks() -> None:
    done = subprocess.run([sys.executable, "-c", BLOCKER + "import polars"], capture_output=True, text=True)
    assert "ModuleNotFoundError" in done.stderr


def test_mine_train_eval_and_report_run_without_geospatial_packages(tmp_path: Path) -> None:
    dataset = caption_dataset(tmp_path)
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", RUN, str(dataset.path), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize(
    "module", ["geovec_data.cli", "geovec_data.build.build", "geovec_data.recipe.recipe", "geovec_data.build.unit"]
)
def test_commands_start_light(module: str) -> None:
    watched = (*HEAVY, "torch", "pandas", "sklearn", "duckdb")
    code = f"import sys, {module}; print([m for m in {watched!r} if sys.modules.get(m)])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
