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
    """Says when the next one may go, so that they keep their distance: `per_s` in a second.

    Who comes late does not catch up, so that there is never a burst.

    >>> pace = Pace(per_s=4)
    >>> [pace.wait_ms(now_ms) for now_ms in (1000, 1000, 1000, 9000, 9100)]
    [0.0, 250.0, 500.0, 0.0, 150.0]
    """

    def __init__(self, per_s: float) -> None:
        self._interval_ms = 1000 / per_s
        self._next_ms = 0.0

    def wait_ms(self, now_ms: int) -> float:
        """Return how long the next one has to wait; it is taken to go then."""
        due_ms = max(self._next_ms, float(now_ms))
        self._next_ms = due_ms + self._interval_ms
        return due_ms - now_ms
