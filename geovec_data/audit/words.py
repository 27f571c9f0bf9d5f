"""What an audit says to a person."""

from __future__ import annotations

from typing import Any

from geovec_data.audit import methods

SHOWN = 5  # comparisons that a person is told; the summary has all
NAMES = {
    methods.TOP_K: "top-k",
    methods.PEER: "sentence-transformers, relative margin 0.05",
    methods.OURS: "GeoVec's policy",
}
SHORT = {methods.TOP_K: "top-k", methods.PEER: "sentence-transformers", methods.OURS: "GeoVec"}


def human_lines(summary: dict[str, Any]) -> list[str]:
    """Say it in a few lines."""
    lines = []
    for a in summary["audits"]:
        seen, own = a["labels_visible"], a["this_run"]
        lines += [
            f"{a['task']}, truth {a['truth']}: {a['examples']:,} examples of {a['scenes']:,} scenes",
            f"  labels visible: {seen['false_negatives']:,} false negatives of {seen['known']:,}"
            f" (as the run wrote them: {own['false_negatives']:,} of {own['known']:,})",
            f"  labels withheld ({', '.join(a['labels_withheld']['rules_off'])} off), k = {summary['k']}:",
        ]
        lines += [
            f"    {NAMES[p['method']]:<44} {said(p['false_negative_rate'])} false, mean similarity"
            f" {said(p['mean_similarity'])}, {said(p['near_share'])} near, {said(p['negatives_per_example'])} each"
            for p in a["labels_withheld"]["points"]
            if p["varied"] == "k" and p["value"] == summary["k"]
        ]
        for d in a["labels_withheld"]["differences"][:SHOWN]:
            lines.append("    " + sentence(d))
    lines += [f"skipped {what}: {why}" for what, why in summary["skipped"].items()]
    return lines


def sentence(d: dict[str, Any]) -> str:
    """Say a difference."""
    measure = {"mean_similarity": "mean similarity", "near_share": "share of near negatives"}[d["hardness"]]
    at = f"at {measure} {said(d['at'])}"
    if d["difference"] is None:
        return f"{at}: {SHORT[d['other']]} has no setting of that hardness that finds half of its negatives"
    interval = f" [{d['interval'][0]:+.3f}, {d['interval'][1]:+.3f}]" if d["interval"] else ""
    return (
        f"{at}: {SHORT[d['method']]} {said(d['rate'])}, {SHORT[d['other']]} {said(d['other_rate'])},"
        f" difference {d['difference']:+.3f}{interval}"
    )


def said(value: float | None) -> str:
    """Write a rate."""
    return "–" if value is None else f"{value:.3f}"
