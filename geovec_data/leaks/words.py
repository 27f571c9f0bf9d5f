"""What the gate found, in words: for the terminal, the card and the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def leak_words(rule: str, found: Mapping[str, Any]) -> str:
    """Say in one line what a rule found and what was done about it."""
    words = f"{rule} ({found['meaning']}): {found['count']:,} of {found['of']:,} {found['unit']}"
    if unplaced := found.get("unplaced"):
        words += f" ({unplaced:,} images have no known ground and were not compared)"
    if not found["count"]:
        return words
    words += f", {found['pairs']:,} pairs"
    if found["listed"] < found["pairs"]:
        words += f" of which {found['listed']:,} are listed"
    return f"{words}; {_done(rule, found)}"


def leak_lines(leaks: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the lines of the rules that found something."""
    return [leak_words(rule, found) for rule, found in leaks.items() if found["count"]]


def thresholds(found: Mapping[str, Any]) -> str:
    """Say by what a rule decides, where it has a threshold."""
    if "bits" in found:
        return (
            f"hashes within {found['bits']} of 63 bits, then registered thumbnails with a concordance of"
            f" {found['score']:g} or more; {found['flat']:,} images were too flat to compare"
        )
    if "buffer" in found:
        near = f", or less than {found['buffer']:g} m (pixels of the parent) apart" if found["buffer"] else ""
        return f"sharing more than {found['overlap']:.0%} of the smaller footprint{near}"
    return ""


def _done(rule: str, found: Mapping[str, Any]) -> str:
    if found["policy"].startswith("drop"):
        what = "examples" if rule == "caption" else "images"
        return f"{found['policy']}: {found['dropped']:,} {what} went to split unused"
    if found["known"]:
        rest = found["count"] - found["known"]
        return "known of this official split" + (f"; {rest:,} are not: {found['policy']}" if rest else "")
    return str(found["policy"])
