"""Whether too much was refused: faults of the corpus count, selection by the recipe does not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

# refusals that say nothing bad about the corpus: the recipe's own choice, or a repetition that lost nothing
SELECTION = frozenset(
    {
        "low_visibility",
        "too_small",
        "outside_extract",
        "no_data",
        "duplicate_image",
        "near_duplicate",
        "duplicate_region",
        "duplicate_text",
        "whole_image_text",
        "unknown_tag",
        "below_gsd",
    }
)


def reject_verdict(counts: Mapping[str, Any], limits: Mapping[str, float], rejects: Path) -> str | None:
    """Return why the build fails, or None when it may stand. Every corpus is judged by itself.

    Args:
        counts: the final stage's counts by corpus (`images`, `regions`, `rejects_by_level`).
        limits: corpus → largest share of faulty scenes among all scenes, and of faulty regions among all regions.
        rejects: folder of the refused rows; the first of the commonest fault is shown.
    """
    many = len(limits) > 1
    said = [s for corpus, limit in sorted(limits.items()) if (s := _of_corpus(counts, corpus, limit, many, rejects))]
    return " ".join(said) or None


def _of_corpus(counts: Mapping[str, Any], corpus: str, limit: float, many: bool, rejects: Path) -> str | None:
    found = counts.get(corpus, {"images": 0, "regions": 0, "rejects_by_level": {}})
    who, option = (f"{corpus}: ", f"corpora.{corpus}.checks") if many else ("", "checks")
    refused: dict[str, dict[str, int]] = found["rejects_by_level"]
    kept = {"scene": found["images"], "region": found["regions"]}
    for level, good in kept.items():
        faults = {c: n for c, n in refused.get(level, {}).items() if c not in SELECTION}
        bad = sum(faults.values())
        if bad and bad / (bad + good) > limit:
            order = sorted(faults, key=lambda code: (-faults[code], code))
            worst = ", ".join(f"{faults[code]:,} {code}" for code in order)
            return (
                f"{who}{bad:,} of {bad + good:,} {level}s are faulty ({worst}): {bad / (bad + good):.1%}"
                f" is above {option}.max_reject_fraction={limit:g}, e.g. {_first(rejects, corpus, level, order[0])}."
            )
    copies = {"duplicate_image", "near_duplicate"} & refused.get("scene", {}).keys()
    if not kept["scene"] and not copies:  # all of it may be in another corpus
        every = [(code, n) for by in refused.values() for code, n in by.items()]
        why = ", ".join(f"{n:,} {code}" for code, n in sorted(every)) or "the source has no entries"
        scenes = refused.get("scene", {})
        worst = max(sorted(scenes), key=scenes.__getitem__) if scenes else ""
        first = f", e.g. {_first(rejects, corpus, 'scene', worst)}" if worst else ""
        return f"{who}not one scene was accepted ({why}){first}; there is nothing to build."
    return None


def _first(rejects: Path, corpus: str, level: str, code: str) -> str:
    """Return path and detail of the first such row."""
    import pyarrow.dataset as ds

    wanted = (ds.field("corpus") == corpus) & (ds.field("level") == level) & (ds.field("code") == code)
    row = ds.dataset(rejects, format="parquet").head(1, filter=wanted, columns=["path", "detail"]).to_pylist()[0]
    return f"{row['path']}: {row['detail']}"
