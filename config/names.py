"""Names: their limits, those that exist before any file, and the nearest to a misspelt one."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["MAX_NAME_BYTES", "PREDECLARED_EXCHANGES", "RESERVED_PREFIX", "nearest"]

#: AMQP carries names and routing keys as short strings (AMQP 0-9-1 section 4.2.5.3).
MAX_NAME_BYTES = 255

#: Only the broker makes objects with this prefix (S11).
RESERVED_PREFIX = "amq."

#: Exchange -> type, in every virtual host.
PREDECLARED_EXCHANGES = {
    "": "direct",
    "amq.direct": "direct",
    "amq.fanout": "fanout",
    "amq.topic": "topic",
    "amq.headers": "headers",
    "amq.match": "headers",
}

#: Comparing a typo with more names than this takes longer than a reader waits.
_MAX_CANDIDATES = 50


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that looks most like `name`, if any does.

    >>> nearest("billng", ["billing", "shipping"])
    'billing'
    """
    candidates = [other for other in known if abs(len(other) - len(name)) <= 3]
    if len(candidates) > _MAX_CANDIDATES:
        alike = [other for other in candidates if other[:3] == name[:3]]
        candidates = sorted(alike, key=lambda other: other[-3:] != name[-3:])[:_MAX_CANDIDATES]
    folded = {other.casefold(): other for other in candidates}
    matches = get_close_matches(name.casefold(), folded, n=1, cutoff=0.7)
    return folded[matches[0]] if matches else None
