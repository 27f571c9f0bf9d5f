"""False-negative rate against hardness as inline SVG: one line for each way to vary a method."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from geovec_data.report.charts import nice_ticks
from geovec_data.report.gallery import number

WIDTH, HEIGHT = 520, 300
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 10, 44


def curves_chart(points: list[dict[str, Any]], hardness: str, *, label: str) -> Markup:
    """Draw every curve; a dot is one setting. Settings that find less than half of what was asked for are left out.

    Args:
        points: as in the summary.
        hardness: the column that runs along x.
        label: what a screen reader says, and the title of x.
    """
    there = [p for p in points if p[hardness] is not None and p["negatives_per_example"] >= p["k"] / 2]
    if not there:
        return Markup('<p class="absent">no negative whose truth is known</p>')
    xs = [p[hardness] for p in there]
    ticks = nice_ticks(min(xs), max(xs), 5)
    low, high = ticks[0], ticks[-1]

    def at(p: dict[str, Any]) -> tuple[str, str]:
        x = LEFT + (p[hardness] - low) / (high - low) * (WIDTH - LEFT - RIGHT)
        y = HEIGHT - BOTTOM - p["false_negative_rate"] * (HEIGHT - TOP - BOTTOM)
        return number(x), number(y)

    parts = []
    for tick in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        y = number(HEIGHT - BOTTOM - tick * (HEIGHT - TOP - BOTTOM))
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
            f'<text class="tick" x="{LEFT - 8}" y="{y}" dy="0.32em" text-anchor="end">{tick:g}</text>'
        )
    for tick in ticks:
        x = number(LEFT + (tick - low) / (high - low) * (WIDTH - LEFT - RIGHT))
        parts.append(f'<text class="tick" x="{x}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{tick:.3g}</text>')
    for method, sweep in sorted({(p["method"], p["varied"]) for p in there}):
        curve = sorted((p for p in there if (p["method"], p["varied"]) == (method, sweep)), key=lambda p: p["value"])
        line = " ".join(",".join(at(p)) for p in curve)
        parts.append(f'<polyline class="way {method}" points="{line}"/>')
        for p in curve:
            x, y = at(p)
            title = f"{sweep} {p['value']:g}: {p['false_negative_rate']:.3f} at {p[hardness]:.3f}"
            parts.append(f'<circle class="way {method}" cx="{x}" cy="{y}" r="2.4"><title>{title}</title></circle>')
    parts.append(
        f'<text class="tick" x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end">{label}: harder to the right</text>'
    )
    return Markup('<svg class="chart" viewBox="0 0 {w} {h}" role="img" aria-label="{label}">{body}</svg>').format(
        w=WIDTH, h=HEIGHT, label=f"false-negative rate against {label}", body=Markup("".join(parts))
    )
