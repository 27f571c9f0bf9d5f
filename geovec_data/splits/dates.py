"""ISO 8601 capture times of any precision, as the span of time that they name."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

Span = tuple[datetime, datetime]  # from, and the moment after its end; UTC

_ISO = re.compile(
    r"(\d{4})(?:-?(\d\d)(?:-?(\d\d)(?:[T ](\d\d)(?::?(\d\d)(?::?(\d\d)(?:[.,]\d+)?)?)?\s*(Z|[+-]\d\d(?::?\d\d)?)?)?)?)?"
)


def span(text: str) -> Span | None:
    """Read a year, month, day or time of day; without a time zone it is UTC.

    Returns:
        The first moment and the one after the last: ``2019-05`` is the whole of May; None when it is no ISO 8601 time.
    """
    found = _ISO.fullmatch(text.strip())
    if found is None:
        return None
    year, month, day, hour, minute, second, zone = found.groups()
    try:
        begin = datetime(
            int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=UTC
        )
        begin = begin.replace(tzinfo=_zone(zone)).astimezone(UTC)
        if month is None:
            return begin, begin.replace(year=begin.year + 1)
        if day is None:
            return begin, (begin + timedelta(days=31)).replace(day=1)
    except (ValueError, OverflowError):  # a 13th month, or beyond the calendar
        return None
    step = {"days": 1} if hour is None else {"hours": 1} if minute is None else {"minutes": 1}
    return begin, begin + (timedelta(seconds=1) if second is not None else timedelta(**step))


def _zone(text: str | None) -> timezone:
    if not text or text == "Z":
        return UTC
    hours, minutes = int(text[1:3]), int(text[3:].lstrip(":") or 0)
    return timezone((1 if text[0] == "+" else -1) * timedelta(hours=hours, minutes=minutes))
