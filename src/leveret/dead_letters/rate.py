"""Rates as people write them: `50/s`, `600/m`, `1000/h`, or a number a second."""

from __future__ import annotations

import re

__all__ = ["Pace", "parse_rate"]

# Unit -> seconds.
_UNITS_S = {"s": 1, "m": 60, "h": 3600}
_TEXT = re.compile(r"(\d+(?:\.\d+)?)(?:/([smh]))?")


def parse_rate(rate: str | float) -> float:
    """Return how many a second that is.

    Raises:
        ValueError: it is no rate, or none above 0.

    >>> parse_rate("50/s"), parse_rate("30/m"), parse_rate(2)
    (50.0, 0.5, 2.0)

    """
    found = _TEXT.fullmatch(str(rate))
    if found is None or not float(found[1]):
        raise ValueError(f"'{rate}' is no rate: write 50/s, 600/m or 1000/h")
    return float(found[1]) / _UNITS_S[found[2] or "s"]


class Pace:
    """Says when the next one may go, so that there are never more than `per_s` in a second.

    >>> pace = Pace(per_s=4, start_ms=1000)
    >>> [pace.due_ms(sent) for sent in (0, 1, 2)]
    [1000, 1250, 1500]
    """

    def __init__(self, per_s: float, start_ms: int) -> None:
        self._per_s = per_s
        self._start_ms = start_ms

    def due_ms(self, sent: int) -> int:
        """Return when the one behind the first `sent` may go, in milliseconds."""
        return self._start_ms + round(sent * 1000 / self._per_s)

    def allowed(self, now_ms: int) -> int:
        """Return how many may have gone by `now_ms`."""
        return max(0, int((now_ms - self._start_ms) * self._per_s / 1000) + 1)
