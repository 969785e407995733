"""Durations as tests write them: "30s", "1h", 2.5 (seconds), a timedelta."""

from __future__ import annotations

import datetime
import re
from typing import TypeAlias

__all__ = ["Duration", "milliseconds", "seconds"]

#: A text with a unit, a number of seconds, or a timedelta.
Duration: TypeAlias = str | float | datetime.timedelta

# Unit -> milliseconds. Those of topology files, whose grammar would take Lark 60 ms to load here.
_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_TEXT = re.compile(r"(\d+(?:\.\d+)?) ?(ms|s|m|h|d)")


def milliseconds(duration: Duration) -> int:
    """Return a duration in milliseconds.

    Raises:
        ValueError: it is negative, or a text without a unit.

    >>> milliseconds("1.5s"), milliseconds(2), milliseconds(datetime.timedelta(minutes=1))
    (1500, 2000, 60000)

    """
    if isinstance(duration, str):
        found = _TEXT.fullmatch(duration)
        if found is None:
            raise ValueError(f"{duration!r} is no duration: write 500ms, 30s, 5m, 1h or 2d")
        return round(float(found[1]) * _UNITS_MS[found[2]])
    if isinstance(duration, datetime.timedelta):
        duration = duration.total_seconds()
    if duration < 0:
        raise ValueError(f"time only moves forward, got {duration} s")
    return round(duration * 1000)


def seconds(duration: Duration) -> float:
    """Return a duration in seconds; `milliseconds` says what is taken.

    Raises:
        ValueError: as there.

    """
    return milliseconds(duration) / 1000
