"""Whether too much was refused: faults of the corpus count, selection by the recipe does not."""

from __future__ import annotations

from typing import Any

# refusals that say nothing bad about the corpus: the recipe's own choice, or a repetition that lost nothing
SELECTION = frozenset(
    {
        "low_visibility",
        "too_small",
        "outside_extract",
        "no_data",
        "duplicate_image",
        "duplicate_region",
        "duplicate_text",
        "whole_image_text",
    }
)


def reject_verdict(counts: dict[str, Any], limit: float) -> str | None:
    """Return why the build fails, or None when it may stand.

    Args:
        counts: the final stage's counts (`rows`, `rejects_by_level`).
        limit: largest share of faulty scenes among all scenes, and of faulty regions among all regions.
    """
    kept = {"scene": counts["rows"]["images"], "region": counts["rows"]["regions"]}
    for level, good in kept.items():
        faults = {c: n for c, n in counts["rejects_by_level"].get(level, {}).items() if c not in SELECTION}
        bad = sum(faults.values())
        if bad and bad / (bad + good) > limit:
            worst = ", ".join(f"{n:,} {code}" for code, n in sorted(faults.items(), key=lambda kv: (-kv[1], kv[0])))
            return (
                f"{bad:,} of {bad + good:,} {level}s are faulty ({worst}): {bad / (bad + good):.1%}"
                f" is above checks.max_reject_fraction={limit:g}."
            )
    if not kept["scene"]:
        why = ", ".join(f"{n:,} {code}" for code, n in counts["rejects"].items()) or "the source has no entries"
        return f"not one scene was accepted ({why}); there is nothing to build."
    return None
