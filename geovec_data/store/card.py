"""The dataset card: what is in it, from whom, on what terms, and what not to conclude from it."""

from __future__ import annotations

from geovec_data.leaks.options import RULES
from geovec_data.leaks.words import leak_words, thresholds
from geovec_data.store.by_corpus import HEAD, by_corpus
from geovec_data.store.manifest import Manifest


def card(manifest: Manifest) -> str:
    """Return the card as Markdown with the hub's YAML header."""
    m = manifest
    title = _title(m)
    lines = [
        "---",
        f"pretty_name: {_yaml(f'GeoVec: {title}')}",
        "license: other",
        f"license_name: {_yaml(', '.join(dict.fromkeys(s.licence for s in m.sources)))}",
        "tags: [remote-sensing, contrastive, geovec]",
        "---",
        "",
        f"# {title}, as a GeoVec dataset",
        "",
        f"{m.recipe['summary']}",
        "",
    ]
    for note in m.notes:
        lines += [f"> {note}", ""]
    lines += ["## Sources and licences", ""]
    for s in m.sources:
        terms = f"[{s.licence}]({s.licence_url})" if s.licence_url else s.licence
        lines += [
            f"- **{s.title}** ({s.homepage}), {s.images:,} images. Licence: {terms}. Credit:"
            f" {s.attribution.rstrip('.')}." + (f" {s.note}" if s.note else "")
        ]
    if len(m.sources) > 1:
        lines += ["", "## By corpus", "", *_table([HEAD, *(row.cells() for row in by_corpus(m))])]
        lines += ["", "train, val, test and unused count images; weight: how often training draws an example."]
    lines += [
        "",
        "## Examples by task and split",
        "",
        "| task | train | val | test | unused |",
        "|---|---|---|---|---|",
    ]
    for task, by in m.counts["tasks"].items():
        lines.append(
            f"| {task} | " + " | ".join(f"{by.get(s, 0):,}" for s in ("train", "val", "test", "unused")) + " |"
        )
    without = sorted(set(m.tasks) - set(m.counts["tasks"]))
    if without:
        lines += ["", f"Tasks of the recipe without an example here: {', '.join(without)}."]
    lines += ["", "## What stands on both sides of a split", ""]
    for rule in (r for r in RULES if r in m.leaks):  # a manifest on disk has its keys in another order
        found = m.leaks[rule]
        by = [t for t in (thresholds(found), found.get("note", "")) if t]
        lines.append(f"- {leak_words(rule, found)}." + (f" ({'; '.join(by)})" if by else ""))
    lines += ["", "`leaks/` lists the pairs: the training image, the held-out one, the rule, and what was done.", ""]
    if m.counts["rejects"]:
        lines += ["", "## Refused rows (in `rejects/`, each with its reason)", ""]
        lines += [f"- `{code}`: {n:,}" for code, n in m.counts["rejects"].items()]
    lines += [
        "",
        "## Files",
        "",
        "`manifest.json` lists every Parquet shard with its sha256; `geovec-data verify dataset=…` checks them all."
        " Boxes are float pixels x0, y0, x1, y1 (origin top-left, half-open); coordinates are WGS84 lon, lat.",
        "",
    ]
    return "\n".join(lines)


def _title(m: Manifest) -> str:
    """Name one corpus by its source, which knows a sample from the whole; a mix by itself."""
    alone = [s.title for s in m.sources if m.recipe["name"] == s.corpus]
    return alone[0] if alone else str(m.recipe["title"])


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return [lines[0], "|" + "---|" * len(rows[0]), *lines[1:]]


def _yaml(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
