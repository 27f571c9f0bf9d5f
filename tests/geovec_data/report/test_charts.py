"""Charts say what they are given: ticks cover the data, curves keep their points, figures lie where they should."""

from __future__ import annotations

import itertools
import math
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from geovec_data.report.charts import HEIGHT, WIDTH, curve, histogram, nice_ticks, smooth, strip
from geovec_data.report.runs import lineage, training
from tests.fixtures.jobs import trained

FINITE = st.floats(-1e6, 1e6)


def shapes(svg: str, kind: str) -> list[ET.Element]:
    return [e for e in ET.fromstring(svg).iter() if e.get("class") == kind]


def points(element: ET.Element) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (p.split(",") for p in str(element.get("points")).split())]


@given(low=FINITE, span=st.floats(1e-3, 1e6), count=st.integers(2, 8))
def test_ticks_are_even_and_cover_the_range(low: float, span: float, count: int) -> None:
    ticks = nice_ticks(low, low + span, count)
    step = ticks[1] - ticks[0]
    assert ticks[0] <= low + 1e-6 * step
    assert ticks[-1] >= low + span - 1e-6 * step
    assert 2 <= len(ticks) <= count + 2
    assert all(math.isclose(b - a, step, rel_tol=1e-6) for a, b in itertools.pairwise(ticks))


@given(value=FINITE, n=st.integers(1, 40), span=st.floats(1, 50))
def test_the_mean_of_a_constant_is_the_constant(value: float, n: int, span: float) -> None:
    assert smooth([value] * n, span) == pytest.approx([value] * n)


def test_a_curve_falls_from_left_to_right_and_skips_what_is_not_finite() -> None:
    values = [4.0, math.nan, 3.0, math.inf, 1.0]
    svg = str(curve([0, 10, 20, 30, 40], values, label="loss"))
    (line,) = shapes(svg, "line")
    at = points(line)
    assert len(at) == 3
    assert [x for x, _ in at] == sorted(x for x, _ in at)
    assert [y for _, y in at] == sorted(y for _, y in at)  # y grows downwards: the loss falls
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in at)
    assert at[1][0] == pytest.approx((at[0][0] + at[2][0]) / 2)
    assert "nan" not in svg


@example([(0, 0.0), (1, 5e-324)])
@given(st.lists(st.tuples(st.integers(0, 10_000), FINITE), min_size=1, max_size=60, unique_by=lambda p: p[0]))
def test_any_log_gives_a_curve_inside_its_frame(log: list[tuple[int, float]]) -> None:
    log.sort()
    ends = (min(v for _, v in log), max(v for _, v in log))
    svg = str(curve([s for s, _ in log], [v for _, v in log], label="x", y_range=ends))
    for element in shapes(svg, "line") + shapes(svg, "raw"):
        for x, y in points(element):
            assert -0.01 <= x <= WIDTH + 0.01
            assert -0.01 <= y <= HEIGHT + 0.01


def test_a_log_without_numbers_is_said() -> None:
    assert "no finite value" in str(curve([1.0], [math.nan], label="x"))
    assert "no finite value" in str(curve([], [], label="x"))


def test_a_figure_lies_on_its_line() -> None:
    svg = str(strip(0.25, 0.125, 0.5, 0.0625, label="R@5"))
    (dot,), (whisker,), (chance,) = (shapes(svg, k) for k in ("dot", "whisker", "chance"))
    assert dot.get("cx") == "25"
    assert (whisker.get("x1"), whisker.get("x2")) == ("12.5", "50")
    assert chance.get("x1") == "6.25"
    assert shapes(str(strip(0.25, None, None, 0.1, label="x")), "whisker") == []


def test_histograms_are_scaled_each_to_its_own_peak() -> None:
    svg = str(histogram([0, 2, 0, 0], [50, 100, 0, 25], (-1.0, 1.0), label="scores"))
    (good,), (bad,) = shapes(svg, "hist positive"), shapes(svg, "hist negative")
    assert min(y for _, y in points(good)) == min(y for _, y in points(bad)) == 6
    heights = [points(bad)[i][1] for i in (1, 3, 5, 7)]
    assert heights == [38, 6, 70, 54]
    assert re.findall(r">(-?[\d.]+)</text>", svg) == ["-1", "-0.5", "0", "0.5", "1"]


def test_a_log_cut_off_by_a_kill_is_read_to_its_last_whole_line(tmp_path: Path) -> None:
    run = training(trained(tmp_path / "m", steps=7))
    assert run is not None
    assert run.steps == [0, 1, 2, 3, 4, 5, 6]
    assert training(tmp_path) is None


def test_lineage_ends_where_a_run_names_itself(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    trained(a, model=str(b))
    trained(b, model=str(a))
    assert [t.name for t in lineage(b)] == ["a", "b"]
