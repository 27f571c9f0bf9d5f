"""Small charts as inline SVG: static, styled by the page's CSS, readable in light and dark."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

from markupsafe import Markup

from geovec_data.report.gallery import number

WIDTH, HEIGHT = 460, 220
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 10, 30


def nice_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return round numbers that cover `low` to `high` in about `count` steps of 1, 2 or 5 times a power of ten."""
    if not high - low > sys.float_info.min:  # a fifth of a difference that small is zero
        return [low, low + 1.0]
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [n * step for n in range(first, last + 1)]


def smooth(values: Sequence[float], span: float) -> list[float]:
    """Return the exponential moving average with its start bias removed; `span` is in points."""
    keep = 1.0 - 2.0 / (span + 1.0)
    out, mean, weight = [], 0.0, 0.0
    for value in values:
        mean, weight = keep * mean + (1 - keep) * value, keep * weight + (1 - keep)
        out.append(mean / weight)
    return out


def curve(
    steps: Sequence[float], values: Sequence[float], *, label: str, y_range: tuple[float, float] | None = None
) -> Markup:
    """Draw a loss curve: every logged value faint, their moving average plain.

    Args:
        steps: x, ascending.
        values: y; points that are not finite are left out.
        label: what a screen reader says.
        y_range: common range of small multiples; default: the values' own.
    """
    points = [(x, y) for x, y in zip(steps, values, strict=True) if math.isfinite(x) and math.isfinite(y)]
    if not points:
        return Markup('<p class="absent">no finite value was logged</p>')
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    low, high = y_range or (min(ys), max(ys))
    y_ticks, x_ticks = nice_ticks(min(low, 0.0), high, 4), nice_ticks(min(0.0, xs[0]), xs[-1], 5)
    x_ticks = [t for t in x_ticks if t <= xs[-1]] or x_ticks

    def at(x: float, y: float) -> str:
        right = max(xs[-1], x_ticks[0] + 1e-9)
        across = LEFT + (x - x_ticks[0]) / (right - x_ticks[0]) * (WIDTH - LEFT - RIGHT)
        down = HEIGHT - BOTTOM - (y - y_ticks[0]) / (y_ticks[-1] - y_ticks[0]) * (HEIGHT - TOP - BOTTOM)
        return f"{number(across)},{number(down)}"

    parts = []
    for t in y_ticks:
        y = at(x_ticks[0], t).split(",")[1]
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
            f'<text class="tick" x="{LEFT - 8}" y="{y}" dy="0.32em" text-anchor="end">{t:g}</text>'
        )
    for t in x_ticks:
        x = at(t, y_ticks[0]).split(",")[0]
        parts.append(f'<text class="tick" x="{x}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{t:,g}</text>')
    if len(points) > 24:
        parts.append(f'<polyline class="raw" points="{" ".join(at(*p) for p in points)}"/>')
        ys = smooth(ys, max(7.0, len(points) / 15))
    line = " ".join(at(x, y) for x, y in zip(xs, ys, strict=True))
    parts.append(f'<polyline class="line" points="{line}"/>')
    parts.append(f'<text class="tick" x="{WIDTH - RIGHT}" y="{HEIGHT - 2}" text-anchor="end">step</text>')
    return Markup('<svg class="chart" viewBox="0 0 {w} {h}" role="img" aria-label="{label}">{body}</svg>').format(
        w=WIDTH, h=HEIGHT, label=label, body=Markup("".join(parts))
    )


def strip(value: float, low: float | None, high: float | None, chance: float, *, label: str) -> Markup:
    """Draw one figure on a line from 0 to 1: dot, interval as a bar, chance as a tick."""
    width, middle = 100.0, 7
    parts = [f'<line class="axis" x1="0" x2="{width:g}" y1="{middle}" y2="{middle}"/>']
    if low is not None and high is not None:
        ends = f'x1="{number(low * width)}" x2="{number(high * width)}"'
        parts.append(f'<line class="whisker" {ends} y1="{middle}" y2="{middle}"/>')
    parts.append(f'<line class="chance" x1="{number(chance * width)}" x2="{number(chance * width)}" y1="1" y2="13"/>')
    parts.append(f'<circle class="dot" cx="{number(value * width)}" cy="{middle}" r="3.2"/>')
    return Markup('<svg class="strip" viewBox="-4 0 108 14" role="img" aria-label="{label}">{body}</svg>').format(
        label=label, body=Markup("".join(parts))
    )


def histogram(first: Sequence[int], second: Sequence[int], edges: tuple[float, float], *, label: str) -> Markup:
    """Draw two histograms over the same bins: positives as an outline, negatives filled; each scaled to its peak.

    Args:
        first: counts of positives by bin.
        second: counts of negatives by bin, as many bins.
        edges: values at the left of the first bin and the right of the last.
        label: what a screen reader says.
    """
    width, height, foot = 250.0, 70.0, 20.0
    step = width / len(first)

    def stairs(counts: Sequence[int]) -> str:
        peak = max(*counts, 1)
        out = [f"0,{height:g}"]
        for n, count in enumerate(counts):
            y = number(height - count / peak * (height - 6))
            out += [f"{number(n * step)},{y}", f"{number((n + 1) * step)},{y}"]
        return " ".join([*out, f"{width:g},{height:g}"])

    body = [
        f'<polygon class="hist negative" points="{stairs(second)}"/>',
        f'<polyline class="hist positive" points="{stairs(first)}"/>',
        f'<line class="axis" x1="0" x2="{width:g}" y1="{height:g}" y2="{height:g}"/>',
    ]
    span = edges[1] - edges[0]
    for t in nice_ticks(*edges, 4):
        if edges[0] <= t <= edges[1]:
            x = (t - edges[0]) / span * width
            anchor = "start" if x < 8 else "end" if x > width - 8 else "middle"
            body.append(f'<text class="tick" x="{number(x)}" y="{height + 15:g}" text-anchor="{anchor}">{t:.2g}</text>')
    return Markup('<svg class="chart" viewBox="0 0 {w} {h}" role="img" aria-label="{label}">{body}</svg>').format(
        w=f"{width:g}", h=f"{height + foot:g}", label=label, body=Markup("".join(body))
    )
