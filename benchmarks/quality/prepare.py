"""The two datasets of the comparison, built once from real files by the shipped recipes.

    python -m benchmarks.quality.prepare data=<GEOVEC_REAL_DATA> work=/tmp/quality

- ``rsicd``: RSICD, 3,000 training and 400 held-out images, official split; both directions and the scene class.
- ``regions``: every chip with labelled regions: OpenStreetMap on Banepa, on five further places and on Manhattan, SIMD,
  DOTA and NEON, in chips of 256 px; three quarters of the parent images train.

The OSM recipe stands in the mix once for each place, under a name of its own. What is built already stays.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

from geovec_data.cli import COMMANDS
from geovec_data.shipped import recipe_dir

FAIR = ("banepa_south_np", "catanduanes_ph", "kampala_ug", "nairobi_ke", "zanzibar_tz")
TASKS = {
    "rsicd": ("text_to_image", "image_to_text", "scene_class"),
    "regions": ("region_to_text", "text_to_region"),
}
SHARES = {"train": 0.75, "val": 0.0, "test": 0.25}


def main(options: dict[str, str]) -> None:
    """Build what is missing."""
    data, work = Path(options["data"]), Path(options["work"])
    for name, arguments in (("rsicd", _rsicd(data)), ("regions", _regions(data, work))):
        if not (work / name / "manifest.json").is_file():
            tasks = ",".join(TASKS[name])
            COMMANDS["build"]([*arguments, f"out={work / name}", f"tasks=[{tasks}]"])
        print(*COMMANDS["stats"]([f"dataset={work / name}"])["human"], sep="\n", flush=True)


def _rsicd(data: Path) -> list[str]:
    return ["recipe=rsicd", f"source.root={data / 'research_only/rsicd_small'}"]


def _regions(data: Path, work: Path) -> list[str]:
    """Write the mix and return its build."""
    home = work / "recipes"
    home.mkdir(parents=True, exist_ok=True)
    mix: dict[str, Any] = {}
    parents = {"method": "image", **SHARES}
    places = {
        "banepa": ("oam_osm_banepa/train/oam", "oam_osm_banepa/train/osm", {}),
        "manhattan": ("rsvqa_hr/Images", "osm", {"crs": "EPSG:3857"}),
        **{
            name: (f"oam_osm_fair5/{name}", f"oam_osm_fair5/{name}/labels.geojson", {"default_category": "building"})
            for name in FAIR
        },
    }
    shipped = yaml.safe_load((recipe_dir() / "osm.yaml").read_text(encoding="utf-8"))
    for name, (images, labels, reader) in places.items():
        own = shipped | {"name": f"osm_{name}", "title": f"OpenStreetMap, {name}"}
        (home / f"osm_{name}.yaml").write_text(yaml.safe_dump(own, sort_keys=False), encoding="utf-8")
        mix[f"osm_{name}"] = {
            "recipe": f"osm_{name}.yaml",
            "source": {"imagery": str(data / "open" / images), "labels": str(data / "open" / labels)},
            "reader": {"size": 256, **reader},
            "split": parents,
            "checks": {"max_reject_fraction": 1.0},  # RSVQA's images of other cities lie outside these extracts
        }
    for name in ("simd", "dota"):
        source = {"root": str(data / "research_only" / name)}
        mix[name] = {"source": source, "chip": {"size": 256, "overlap": 64}, "split": parents}
    # of four parents, any seed leaves one or two out; with this one the largest are not among them
    mix["rsvg"] = {"source": {"kind": "sample"}, "split": {**parents, "seed": 5}}
    head = {"name": "regions", "title": "Regions of real chips", "summary": "All labelled chips at hand, as regions."}
    file = home / "regions.yaml"
    leaks = dict.fromkeys(("image", "near", "lineage", "footprint"), "drop_train")
    file.write_text(yaml.safe_dump({**head, "mix": mix, "leaks": leaks}, sort_keys=False), encoding="utf-8")
    return [f"recipe={file}"]


if __name__ == "__main__":
    main(dict(a.split("=", 1) for a in sys.argv[1:]))
