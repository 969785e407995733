"""Topic bindings and keys whose shape stays the same from ten bindings to a hundred thousand.

Every shop has five bindings, of every kind: literal, `*` inside, `*` first, `#` last, `#` first.
Keys name a shop by chance and end, or begin, with a word never used before. So a key meets the
same wildcards and takes the same number of bindings (six for five keys) whatever the number of
shops; what grows is only what has to be told apart.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

__all__ = ["bindings", "new_keys"]

_PATTERNS = (
    "order.{shop}.created.*",
    "order.{shop}.#",
    "*.{shop}.paid.*",
    "#.alarm.{shop}",
    "invoice.{shop}.sent.eu",
)
_KEYS = (
    "order.{shop}.created.{new}",
    "order.{shop}.paid.{new}",
    "invoice.{shop}.paid.{new}",
    "{new}.alarm.{shop}",
    "invoice.{shop}.lost.{new}",
)
_serial = itertools.count()


def bindings(count: int) -> list[tuple[str, str]]:
    """Return pairs of binding key and queue, each with a queue of its own."""
    shapes = len(_PATTERNS)
    return [
        (_PATTERNS[number % shapes].format(shop=f"shop{number // shapes}"), f"queue{number}")
        for number in range(count)
    ]


def new_keys(count: int, binding_count: int, random: random.Random) -> list[str]:
    """Return routing keys that were never returned before, for so many bindings."""
    shops = binding_count // len(_PATTERNS)
    return [
        _KEYS[number % len(_KEYS)].format(
            shop=f"shop{random.randrange(shops)}", new=f"n{next(_serial)}"
        )
        for number in range(count)
    ]
