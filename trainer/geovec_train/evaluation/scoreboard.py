"""The rows of scores for machines (JSON), for documents (Markdown) and for the terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from geovec_train.evaluation.metrics import METRICS


def json_text(scores: dict[str, Any]) -> str:
    """Return the canonical JSON text; equal scores are equal bytes."""
    return json.dumps(scores, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def _cell(metric: dict[str, float | None]) -> str:
    low, high = metric.get("low"), metric.get("high")
    spread = "" if low is None else f" [{_percent(low)}–{_percent(high)}]"
    return f"{_percent(metric['value'])}{spread} ({_percent(metric['chance'])})"


def pool_words(row: dict[str, Any]) -> str:
    """Say what a row's queries were ranked among."""
    if row["scope"] == "scene":
        return f"{row['pool_median']:g} per scene (median), {row['pool_groups']:,} scenes"
    if row.get("kinds"):
        return f"{row['pool_median']:g} per kind (median), {len(row['kinds']):,} kinds"
    return f"{row['pool']:,} of the corpus" if row["scope"] == "corpus" else f"{row['pool']:,} of the split"


def _lines(row: dict[str, Any]) -> Iterator[tuple[str, str, int, dict[str, Any]]]:
    """Yield label, pool, queries and metrics of a row, then of each of its kinds and corpora."""
    label = f"· {row['subset']}" if row.get("subset") else row["task"]
    yield label, pool_words(row), row["queries"], row["metrics"]
    for what, parts in (("kind", row.get("kinds", {})), (row["scope"], row.get("corpora", {}))):
        for name, part in parts.items():
            yield f"· {name}", f"{part['pool']:,} of the {what}", part["queries"], part["metrics"]


def _means(scores: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield label, words and metrics of the mean of each meta-task, then of all."""
    whole = scores["macro"]
    for name, meta in whole["meta_tasks"].items():
        if len(meta["tasks"]) > 1:
            yield name, f"mean of {len(meta['tasks'])} tasks", meta["metrics"]
    if whole["metrics"]:
        count = len(whole["meta_tasks"])
        yield "all", f"mean of {count} meta-task{'' if count == 1 else 's'}", whole["metrics"]


def geo_lines(scores: dict[str, Any]) -> Iterator[str]:
    """Yield, for each row with places, how far the first answer lies from the right one."""
    for row in scores["tasks"]:
        if geo := row.get("geo"):
            shares = ", ".join(
                f"{km} km {_percent(v['value'])} ({_percent(v['chance'])})" for km, v in geo["within_km"].items()
            )
            yield (
                f"{row['task']}: median error {geo['median_km']:,.3g} km (by chance {geo['median_km_chance']:,.3g});"
                f" within {shares}"
            )


def markdown(scores: dict[str, Any]) -> str:
    """Return a Markdown page: what was scored, one table, the notes."""
    lines = [
        f"# Scores of {escape(scores['model'])} on {escape(scores['dataset'])}",
        "",
        f"{escape(scores['split_note'])}. Percent; 95 % bootstrap interval in brackets; chance in parentheses.",
        "",
        table(scores),
        *(f"- {line}" for line in geo_lines(scores)),
    ]
    lines += ["", *(f"- {escape(note)}" for note in scores["notes"]), ""]
    return "\n".join(lines)


def table(scores: dict[str, Any]) -> str:
    """Return the Markdown table of the scores; it ends with an empty line."""
    lines = [
        f"| task | pool | queries | {' | '.join(METRICS)} |",
        f"|---|---|---:|{'---:|' * len(METRICS)}",
    ]
    for row in scores["tasks"]:
        if "na" in row:
            lines.append(f"| {row['task']} | n/a: {escape(row['na'])} | |{' |' * len(METRICS)}")
            continue
        for label, pool, queries, metrics in _lines(row):
            cells = " | ".join(_cell(metrics[m]) for m in METRICS)
            lines.append(f"| {escape(label)} | {pool} | {queries:,} | {cells} |")
    for label, words, metrics in _means(scores):
        cells = " | ".join(_cell(metrics[m]) for m in METRICS)
        lines.append(f"| **{label}** | {words} | | {cells} |")
    return "\n".join([*lines, ""])


def escape(text: str) -> str:
    """Return a stranger's text as one line of Markdown that breaks no table and holds no markup."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def human(scores: dict[str, Any]) -> list[str]:
    """Return the lines a terminal shows: percent, chance in parentheses."""

    def cells(metrics: dict[str, Any]) -> Iterator[str]:
        return (f"{_percent(metrics[m]['value'])} ({_percent(metrics[m]['chance'])})" for m in METRICS)

    rows: list[tuple[str, ...]] = [("task", "pool", "queries", *METRICS)]
    for row in scores["tasks"]:
        if "na" in row:
            rows.append((row["task"], f"n/a: {row['na']}"))
            continue
        rows += [(label, pool, f"{queries:,}", *cells(metrics)) for label, pool, queries, metrics in _lines(row)]
    rows += [(label, words, "", *cells(metrics)) for label, words, metrics in _means(scores)]
    return [
        f"{scores['model']} on {scores['dataset']}: {scores['split_note']}",
        *_laid_out(rows),
        *geo_lines(scores),
        "percent (chance); intervals are in scores.json and scores.md",
        *(f"note: {n}" for n in scores["notes"]),
    ]


def _laid_out(rows: list[tuple[str, ...]]) -> Iterator[str]:
    """Yield rows in columns, words to the left and figures to the right; a short row's last word may run on."""
    whole = [row for row in rows if len(row) == len(rows[0])]
    first = max(len(row[0]) for row in rows)
    second, *others = (max(len(row[i]) for row in whole) for i in range(1, len(rows[0])))
    for row in rows:
        figures = (f"  {c:>{w}}" for c, w in zip(row[2:], others, strict=False))
        yield f"{row[0]:<{first}}  {row[1]:<{second}}{''.join(figures)}".rstrip()
