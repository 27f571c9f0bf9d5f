"""Offsets between footprints and imagery: how well they are found, and what is refused.

python -m benchmarks.osm_alignment DATA [--shifts 8]

DATA holds the sets of `SETS`. Five questions:

- shifted: labels are moved by up to 6 m in a random direction (seeded); the error is what the estimate misses of it.
- by hand: against the offsets that a person measured (tests/geovec_data/align/measured_by_hand.json).
- drawn: labels that were drawn on this very imagery, whose offset is therefore nothing but the mapper's hand.
- elsewhere: footprints of another image of the set; every estimate that is believed is wrong.
- lent: what images around a chip would lend it, where it can tell its own.

And the method against its rival, phase correlation of rasterised outlines with the strength of the gradients, on the
same chips and shifts, all estimates taken: neither its own judgement nor its neighbours' help.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import machine, save
from benchmarks.phase_correlation import View, phase_correlation
from geovec_data.align import Estimate, borrowed, estimate, nearest
from geovec_data.osm.scene.alignment import Aligner, Shot, cell_of
from geovec_data.osm.scene.options import RasterOsmOptions
from geovec_data.osm.scene.scenes import OsmScenes
from geovec_data.rasters.file import header, opened
from geovec_data.rasters.georef import place
from geovec_data.rasters.imagery import Imagery

ROOT = Path(__file__).parent.parent
LARGEST = 6.0  # metres
FAIR = ("banepa_south_np", "catanduanes_ph", "kampala_ug", "zanzibar_tz", "nairobi_ke")
SETS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "banepa": ("oam_osm_banepa/train/oam", "oam_osm_banepa/train/osm", {}),
    "manhattan": ("rsvqa_hr/Images", "osm", {"crs": "EPSG:3857"}),
    **{
        name: (f"oam_osm_fair5/{name}", f"oam_osm_fair5/{name}/labels.geojson", {"default_category": "building"})
        for name in FAIR
    },
}
Method = Callable[[View], Estimate]


@dataclass(frozen=True, slots=True)
class Chip:
    """A chip, ready for the estimator, and the numbers of those around it."""

    name: str
    view: View
    around: tuple[int, ...]


def chips_of(data: Path, name: str) -> list[Chip]:
    """Read the covered chips of a set."""
    images, labels, options = SETS[name]
    asked = RasterOsmOptions.model_validate({"labels": str(data / labels), **options})
    scenes, root = OsmScenes(asked, "osm"), data / images
    aligner = Aligner(lambda n: opened(root / n, root), scenes.buildings)
    found, centres = [], []
    for image in Imagery(root, None, "**/*").names:
        with opened(root / image, root) as raster:
            head = header(raster)
        where = place(root / image, image, head.embedded, asked.crs, tile_names=True)
        if scenes.coverage.fault(where, scenes.features(where)) is None:
            shot = Shot(image, (0, 0, where.width, where.height), where, head.bands, head.masked)
            grey, valid = aligner.pixels(shot)
            found.append((image, View(grey, cell_of(where), aligner.footprints(shot, margin=20.0), valid)))
            centres.append(where.center())
    return [Chip(n, v, tuple(a)) for (n, v), a in zip(found, nearest(centres), strict=True)]


def shifted(view: View, east: float, north: float) -> View:
    """Move the footprints by metres."""
    step = np.array([east, -north]) / view.step
    return replace(view, footprints=[[ring + step for ring in rings] for rings in view.footprints])


def own(view: View) -> Estimate:
    """Estimate as the reader does."""
    return estimate(view.grey, view.step, view.footprints, view.valid)


def together(chips: Sequence[Chip], estimates: Sequence[Estimate]) -> list[Estimate]:
    """Let chips that cannot tell ask those around them."""
    return [
        e if e.fault is None else borrowed(e, [estimates[i] for i in c.around])
        for c, e in zip(chips, estimates, strict=True)
    ]


def shifts(count: int) -> Iterator[tuple[float, float]]:
    """Yield shifts, even over a disc."""
    rng = np.random.default_rng(11)
    for _ in range(count):
        length, angle = LARGEST * np.sqrt(rng.random()), rng.uniform(0, 2 * np.pi)
        yield float(length * np.cos(angle)), float(length * np.sin(angle))


def misses(chips: Sequence[Chip], count: int, method: Method, help_each_other: bool) -> list[tuple[float | None, bool]]:
    """Return, for each chip and shift, the error in metres (None: no guess) and whether it was believed."""
    ask = together if help_each_other else lambda _, e: list(e)
    still = ask(chips, [method(c.view) for c in chips])
    out: list[tuple[float | None, bool]] = []
    for east, north in shifts(count):
        moved = ask(chips, [method(shifted(c.view, east, north)) for c in chips])
        for before, after in zip(still, moved, strict=True):
            guess = all(e.height > 0 or e.fault is None for e in (before, after))
            error = float(np.hypot(after.dx - before.dx + east, after.dy - before.dy + north)) if guess else None
            out.append((error, before.fault is None and after.fault is None))
    return out


def summary(found: Sequence[tuple[float | None, bool]]) -> dict[str, Any]:
    """Summarise errors of what is accepted and of what is refused."""
    taken = [e for e, believed in found if believed and e is not None]
    left = [e for e, believed in found if not believed and e is not None]
    return {
        "estimates": len(found),
        "accepted": round(len(taken) / len(found), 3),
        "accepted_error_m": spread(taken),
        "refused": len(found) - len(taken),
        "refused_without_a_guess": len(found) - len(taken) - len(left),
        "refused_error_m": spread(left),
    }


def all_errors(found: Sequence[tuple[float | None, bool]]) -> dict[str, float] | None:
    """Return the spread of all errors, believed or not."""
    return spread([error for error, _ in found if error is not None])


def spread(errors: Sequence[float]) -> dict[str, float] | None:
    """Return median, 90th percentile and largest."""
    if not errors:
        return None
    values = (np.median(errors), np.quantile(errors, 0.9), np.max(errors))
    return {k: round(float(v), 3) for k, v in zip(("median", "p90", "max"), values, strict=True)}


def by_hand(name: str, chips: Sequence[Chip], found: Sequence[Estimate]) -> dict[str, Any]:
    """Compare with the eye: labels as they lie, and as they are moved."""
    text = (ROOT / "tests/geovec_data/align/measured_by_hand.json").read_text(encoding="utf-8")
    seen = {c["image"]: c for c in json.loads(text)["chips"] if name.startswith(c["set"])}
    pairs = [(e, seen[c.name]) for c, e in zip(chips, found, strict=True) if c.name in seen]
    errors = [(float(np.hypot(e.dx - s["east_m"], e.dy - s["north_m"])), e.fault is None) for e, s in pairs]
    unmoved = [float(np.hypot(s["east_m"], s["north_m"])) for _, s in pairs]
    return {**summary(errors), "unmoved_m": spread(unmoved)}


def elsewhere(chips: Sequence[Chip]) -> dict[str, int]:
    """Give each chip the footprints of three others, and count what is believed."""
    rng, tried, believed = np.random.default_rng(5), 0, 0
    for chip in chips:
        for other in rng.permutation(len(chips))[:3]:
            strange = chips[int(other)]
            if strange is chip or strange.view.grey.shape != chip.view.grey.shape:
                continue
            tried += 1
            believed += own(replace(chip.view, footprints=strange.view.footprints)).fault is None
    return {"tried": tried, "believed": believed}


def lent(chips: Sequence[Chip], estimates: Sequence[Estimate]) -> dict[str, Any]:
    """Let chips that can tell ask those around them all the same: how far the answer lies from their own."""
    tried, errors = 0, []
    for chip, mine in zip(chips, estimates, strict=True):
        if mine.fault is None:
            tried += 1
            theirs = borrowed(replace(mine, fault="asks"), [estimates[i] for i in chip.around])
            if theirs.fault is None:
                errors.append(float(np.hypot(theirs.dx - mine.dx, theirs.dy - mine.dy)))
    return {"tried": tried, "lent": len(errors), "error_m": spread(errors)}


def cpu_ms(chips: Sequence[Chip], method: Method) -> float:
    """Return CPU milliseconds a chip."""
    start = time.process_time()
    for chip in chips:
        method(chip.view)
    return round((time.process_time() - start) / len(chips) * 1000, 1)


def main() -> None:
    """Measure every set and save the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--shifts", type=int, default=8)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        os.environ["GEOVEC_CACHE"] = cache
        sets = {name: chips_of(given.data, name) for name in SETS}
    methods: dict[str, Method] = {"oriented": own, "phase": phase_correlation}
    result: dict[str, Any] = {"machine": machine(), "shifts": given.shifts, "largest_m": LARGEST, "sets": {}}
    for name, chips in sets.items():
        alone = [own(c.view) for c in chips]
        found = together(chips, alone)
        about: dict[str, Any] = {"chips": len(chips), "elsewhere": elsewhere(chips), "lent": lent(chips, alone)}
        if name in {"banepa", "manhattan"}:
            about["shifted"] = summary(misses(chips, given.shifts, own, True))
            about["methods"] = {
                m: {"error_m": all_errors(misses(chips, given.shifts, f, False)), "cpu_ms": cpu_ms(chips, f)}
                for m, f in methods.items()
            }
        if name in {"banepa", "manhattan", "nairobi_ke"}:
            about["by_hand"] = by_hand(name, chips, found)
        if name not in {"manhattan", "nairobi_ke"}:
            drawn = [(float(np.hypot(e.dx, e.dy)) if e.height or e.lent_by else None, e.fault is None) for e in found]
            about["drawn"] = summary(drawn)
        result["sets"][name] = about
    save(ROOT / "benchmarks/results/osm_alignment.json", result)


if __name__ == "__main__":
    main()
