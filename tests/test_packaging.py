"""The wheel holds the two packages and nothing else, and works away from the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(CHECKOUT)]
    subprocess.run(command, check=True, capture_output=True)
    (found,) = out.glob("*.whl")
    return found


def test_top_level_is_two_packages(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {n.split("/")[0] for n in names if ".dist-info/" not in n} == {"geovec_data", "geovec_train"}
    assert "geovec_data/_recipes/rsvg.yaml" in names
    assert "geovec_data/_recipes/mixes/rsmeb_train.yaml" in names
    assert "geovec_data/_schemas/catalog.sql" in names
    assert not [n for n in names if "test" in n.lower() or n.endswith((".jpg", ".parquet"))]


def test_wheel_works_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"PYTHONPATH": str(site)}
    where = subprocess.run(
        [sys.executable, "-c", "import geovec_data, geovec_train; print(geovec_data.__file__, geovec_train.__file__)"],
        env=env, cwd=tmp_path, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert where.count(str(site)) == 2
    for arguments in (["list"], ["describe", "recipe=rsvg"], ["describe", "recipe=rsmeb_train"], ["build", "--help"]):
        done = subprocess.run(
            [sys.executable, "-m", "geovec_data.cli", *arguments], env=env, cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert "rsvg" in done.stdout or "recipe" in done.stdout


def test_console_scripts_are_declared(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith("entry_points.txt")]
        text = archive.read(name).decode()
    assert {line.split(" ")[0] for line in text.splitlines() if "=" in line} == {
        "geovec-data",
        "geovec-train",
        "geovec-eval",
    }
