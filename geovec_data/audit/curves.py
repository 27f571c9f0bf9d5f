"""False negatives against hardness: points, curves through them, and differences at equal hardness with intervals.

Everything is a ratio of sums over scenes, so a bootstrap over scenes (all negatives of an image come or go together)
is a product of a matrix of counts with a table of sums. Differences are paired: both methods see the same scenes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geovec_data.audit.methods import OURS, PEER, Pool, Setting
from geovec_data.mining.items import Bools

Reals = NDArray[np.float64]

NEAR = 0.95  # a negative is near with this share of the positive's score
HARDNESS = ("mean_similarity", "near_share")
_CHUNK = 256  # resamples at once


@dataclass(frozen=True, slots=True)
class Points:
    """Sums by scene of every setting.

    Attributes:
        settings: the settings, without what they chose.
        sums: negatives that the truth tells of, false ones, sum of similarities, near ones, and all negatives;
            shape (scenes, settings, 5).
        examples: examples whose truth is known, by scene.
    """

    settings: list[tuple[str, str, float]]
    sums: Reals
    examples: Reals

    def rates(self, weights: Reals | None = None) -> Reals:
        """Return false-negative rate, mean similarity, near share and negatives an example, by setting.

        Args:
            weights: how often each scene is drawn, shape (resamples, scenes); None: once.

        Returns:
            Shape (settings, 4), or (resamples, settings, 4).
        """
        if weights is None:
            total, examples = self.sums.sum(axis=0), self.examples.sum()
        else:
            flat = weights @ self.sums.reshape(len(self.sums), -1)
            total = flat.reshape(len(weights), *self.sums.shape[1:])
            examples = (weights @ self.examples)[:, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            of = total[..., 1:4] / total[..., :1]
            return np.concatenate([of, (total[..., 4] / examples)[..., None]], axis=-1)


def tally(pool: Pool, chosen: list[Setting], false: Bools, known: Bools) -> Points:
    """Add up what each setting chose, scene by scene.

    Args:
        pool: the candidates.
        chosen: the settings.
        false: which candidates are false negatives.
        known: which the truth tells of.
    """
    plan, row, score = pool.truth.plan, pool.found.row, pool.found.score
    asked = np.zeros(len(plan.examples), np.bool_)
    asked[row[known]] = True
    _, scene = np.unique(np.where(plan.image >= 0, plan.image, -1 - plan.query), return_inverse=True)
    scenes = int(scene.max()) + 1
    low = pool.limit
    near = score >= low - np.abs(low) * np.float32(1.0 - NEAR)
    sums = np.zeros((scenes, len(chosen), 5))
    for n, setting in enumerate(chosen):
        index = setting.chosen[asked[row[setting.chosen]]]
        told = index[known[index]]
        for column, (some, weight) in enumerate(
            ((told, None), (told, false[told]), (told, score[told]), (told, near[told]), (index, None))
        ):
            sums[:, n, column] = np.bincount(scene[row[some]], weight, minlength=scenes)
    examples = np.bincount(scene[asked], minlength=scenes).astype(np.float64)
    return Points([(s.method, s.sweep, s.value) for s in chosen], sums, examples)


def point(points: Points, method: str, sweep: str, value: float) -> int:
    """Return the number of a setting."""
    return points.settings.index((method, sweep, value))


def filled(points: Points, k: int) -> list[int]:
    """Return the numbers of the settings that find at least half of the negatives they are asked for."""
    each = points.rates()[:, 3]
    asked = [value if sweep == "k" else k for _, sweep, value in points.settings]
    return [n for n, wanted in enumerate(asked) if each[n] >= wanted / 2]


def differences(
    points: Points, pairs: list[tuple[str, int, str]], k: int, resamples: int, seed: int
) -> list[dict[str, Any]]:
    """Compare settings with another method's curves at equal hardness.

    The other method has the benefit of the doubt: of its curves (one for each option that is varied) the one with
    fewest false negatives at that hardness counts; so it does in every resample. Settings that find less than half
    of the negatives asked for are no part of a curve: a few can be had at any hardness.

    Args:
        points: the sums.
        pairs: the measure of hardness, the setting, and the other method.
        k: negatives of each example that were asked for.
        resamples: of the scenes.
        seed: of these.

    Returns:
        For each pair both rates, their difference (setting - other) with its 95 % interval, or why there is none.
    """
    whole = points.rates()[None]
    used = filled(points, k)
    drawn: list[list[Reals]] = [[] for _ in pairs]
    rng = np.random.default_rng(seed)
    scenes = len(points.examples)
    share = np.full(scenes, 1.0 / scenes)
    for start in range(0, resamples, _CHUNK):
        weights = rng.multinomial(scenes, share, size=min(_CHUNK, resamples - start)).astype(np.float64)
        rates = points.rates(weights)
        for n, (measure, setting, other) in enumerate(pairs):
            drawn[n].append(_difference(points, used, rates, measure, setting, other)[2])
    out = []
    for (measure, setting, other), found in zip(pairs, drawn, strict=True):
        own, peer, difference = (float(v[0]) for v in _difference(points, used, whole, measure, setting, other))
        method, sweep, value = points.settings[setting]
        column = 1 + HARDNESS.index(measure)
        fact: dict[str, Any] = {
            "hardness": measure,
            "at": _round(float(whole[0, setting, column])),
            "method": method,
            sweep: value,
            "other": other,
            "rate": _round(own),
            "other_rate": _round(peer),
            "difference": _round(difference),
            "interval": None,
        }
        values = np.concatenate(found)
        values = values[np.isfinite(values)]
        if not np.isfinite(difference):
            fact["note"] = f"{other} has no setting of that hardness that finds half of the negatives"
        elif len(values) >= 0.9 * resamples:
            fact["interval"] = [_round(float(v)) for v in np.quantile(values, (0.025, 0.975))]
        out.append(fact)
    return out


def _difference(
    points: Points, used: list[int], rates: Reals, measure: str, setting: int, other: str
) -> tuple[Reals, Reals, Reals]:
    column = 1 + HARDNESS.index(measure)
    at, own = rates[:, setting, column], rates[:, setting, 0]
    peer = np.full(len(rates), np.nan)
    for sweep in sorted({s for m, s, _ in points.settings if m == other}):
        curve = [n for n in used if points.settings[n][:2] == (other, sweep)]
        peer = np.fmin(peer, _at(rates[:, curve, column], rates[:, curve, 0], at))
    return own, peer, own - peer


def _at(x: Reals, y: Reals, at: Reals) -> Reals:
    """Read a piecewise linear curve at one place of each row, its least value there; NaN beyond its ends."""
    out = np.full(len(x), np.nan)
    for n in range(x.shape[1] - 1):
        x0, x1, y0, y1 = x[:, n], x[:, n + 1], y[:, n], y[:, n + 1]
        within = (np.minimum(x0, x1) <= at) & (at <= np.maximum(x0, x1))
        with np.errstate(invalid="ignore", divide="ignore"):
            part = np.where(x1 == x0, 0.0, (at - x0) / (x1 - x0))
        out = np.where(within, np.fmin(out, y0 + part * (y1 - y0)), out)
    return out


def rows(points: Points, k: int) -> list[dict[str, Any]]:
    """Return every point for the summary."""
    out = []
    for (method, sweep, value), rate in zip(points.settings, points.rates().tolist(), strict=True):
        names = ("false_negative_rate", *HARDNESS, "negatives_per_example")
        figures = {n: _round(v) for n, v in zip(names, rate, strict=True)}
        asked = int(value) if sweep == "k" else k
        out.append({"method": method, "varied": sweep, "value": value, "k": asked} | figures)
    return out


def compared(points: Points, k: int) -> list[tuple[str, int, str]]:
    """Return what is compared: ours as it is with each peer; the peer as it is with ours; ours at other settings."""
    others = sorted({m for m, _, _ in points.settings} - {OURS}, reverse=True)
    pairs = [(measure, point(points, OURS, "k", k), other) for measure in HARDNESS for other in others]
    pairs.append((HARDNESS[0], point(points, PEER, "k", k), OURS))
    more = [n for n in filled(points, k) if points.settings[n][0] == OURS and points.settings[n][1] != "k"]
    return pairs + [(HARDNESS[0], n, PEER) for n in more]


def _round(value: float) -> float | None:
    return round(value, 4) if np.isfinite(value) else None
