"""Durations as people give them: seconds, texts as in topology files, or a timedelta."""

from __future__ import annotations

from datetime import timedelta
from typing import TypeAlias

__all__ = ["Duration", "milliseconds"]

#: Seconds, a text such as "30s" or "1h", or a timedelta.
Duration: TypeAlias = float | str | timedelta


def milliseconds(duration: Duration) -> int:
    """Return a duration in whole milliseconds.

    >>> milliseconds(1.5), milliseconds("30s"), milliseconds(timedelta(minutes=1))
    (1500, 30000, 60000)

    Raises:
        ValueError: the text is no duration, or it is negative.
        TypeError: it is none of these.

    """
    if isinstance(duration, str):
        from leveret.config.quantities import QuantityError, parse_duration

        try:
            return parse_duration(duration)
        except QuantityError as error:
            raise ValueError(f"{duration!r} {error}. {error.remedy}") from None
    if isinstance(duration, timedelta):
        duration = duration.total_seconds()
    if isinstance(duration, bool) or not isinstance(duration, int | float):
        raise TypeError(f"a duration is in seconds, a text or a timedelta, not {duration!r}")
    if not 0 <= duration < float("inf"):
        raise ValueError(f"a duration is 0 or more, not {duration!r}")
    return round(duration * 1000)
