"""The estimator against offsets that a person read from drawings of real chips."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median

import numpy as np
import pytest

from geovec_data.readers.raster_osm import RasterOsm, RasterOsmOptions
from geovec_data.records import Scene

pytestmark = pytest.mark.real

CHIPS = json.loads((Path(__file__).parent / "measured_by_hand.json").read_text(encoding="utf-8"))["chips"]
SETS = {
    "banepa": ("oam_osm_banepa/train/oam", "oam_osm_banepa/train/osm", {}),
    "manhattan": ("rsvqa_hr/Images", "osm", {"crs": "EPSG:3857"}),
    "nairobi": (
        "oam_osm_fair5/nairobi_ke",
        "oam_osm_fair5/nairobi_ke/labels.geojson",
        {"default_category": "building"},
    ),
}


@pytest.mark.parametrize("name", SETS)
def test_estimates_agree_with_the_eye(
    name: str, real_data: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEOVEC_CACHE", str(tmp_path_factory.getbasetemp() / "osm-real-cache"))
    images, labels, options = SETS[name]
    base = real_data / "open"
    asked = RasterOsmOptions.model_validate({"labels": str(base / labels), "align": "report", **options})
    reader = RasterOsm(base / images, asked, "osm")
    wanted = {c["image"]: c for c in CHIPS if c["set"] == name}
    errors = {}
    for entry in reader.entries():
        if entry.key in wanted:
            (scene,) = [s for s in reader.read(entry) if isinstance(s, Scene)]
            facts, seen = dict(scene.attributes), wanted[entry.key]
            if facts["align"] == "measured":
                east, north = float(facts["align_east_m"]), float(facts["align_north_m"])
                errors[entry.key] = float(np.hypot(east - seen["east_m"], north - seen["north_m"]))
                assert errors[entry.key] <= seen["uncertain_m"] + 0.5, entry.key
    assert len(errors) == len(wanted)
    assert median(errors.values()) <= 0.35


def test_twenty_chips_of_the_two_sets_were_measured() -> None:
    assert len({(c["set"], c["image"]) for c in CHIPS if c["set"] in ("banepa", "manhattan")}) == 20
