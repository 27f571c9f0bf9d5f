"""By capture time, cut at stated dates: only these are stable when images are added, shares of the images are not."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from datetime import datetime, timedelta

from geovec_data.errors import UserError
from geovec_data.splits.dates import span
from geovec_data.splits.options import SPLITS, SplitOptions
from geovec_data.splits.placed import UNUSED, Placed


class ByTime:
    """Assigns images by the stated dates.

    Args:
        options: its `before` holds one date (train, then test) or two (train, val, test).
    """

    def __init__(self, options: SplitOptions) -> None:
        self._dates = options.before
        self._cuts = cuts(options)
        self._names = SPLITS if len(self._cuts) == 2 else ("train", "test")

    def assign(self, image: Placed) -> tuple[str, str]:
        """Return split and reason. A time too coarse to lie on one side of a date is left unused."""
        if not image.captured or not image.captured.strip():
            return UNUSED, "no capture time"
        when = span(image.captured)
        if when is None:
            return UNUSED, "capture time is no ISO 8601"
        first = bisect_right(self._cuts, when[0])
        last = bisect_right(self._cuts, when[1] - timedelta(microseconds=1))
        if first != last:
            return UNUSED, f"captured in a span that {self._dates[first]} cuts"
        after = [f"from {self._dates[first - 1]}"] if first else []
        until = [f"before {self._dates[first]}"] if first < len(self._cuts) else []
        return self._names[first], "captured " + " ".join(after + until)


def cuts(options: SplitOptions) -> list[datetime]:
    """Return the moments at which time is cut.

    Raises:
        UserError: for a date that is none, or dates out of order.
    """
    out = []
    for text in options.before:
        read = span(text)
        if read is None:
            raise UserError(f"split.before={text}: not a date; write e.g. 2019-06-30")
        out.append(read[0])
    if not 1 <= len(out) <= 2 or sorted(set(out)) != out:
        raise UserError(
            f"split.before={','.join(options.before)}: give one date (train before it, test after) or two in order"
            " (train before the first, val before the second, test after)"
        )
    return out


def suggest_dates(images: Iterable[Placed], options: SplitOptions) -> str:
    """Say which dates would give the wanted shares of these images, for a person to choose and to state."""
    known = sorted(s[0] for p in images if p.captured and (s := span(p.captured)))
    if not known:
        return "none of these images has a capture time; choose another split="
    shares = options.train, options.val, options.test
    total = sum(shares)
    wanted = [shares[0] / total, (shares[0] + shares[1]) / total] if options.val else [shares[0] / total]
    dates = [known[min(int(w * len(known)), len(known) - 1)].date().isoformat() for w in wanted]
    return (
        f"{len(known):,} images have a capture time, {known[0].date()} to {known[-1].date()}; near the shares"
        f" {'/'.join(f'{s:g}' for s in shares)} is split.before={','.join(dict.fromkeys(dates))}"
    )
