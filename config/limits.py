"""Limits of alerts, as they are written: `> 1000`, `>= 10m`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, get_args

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LIMIT_PATTERN", "Limit", "Operator", "parse_limit"]

Operator = Literal[">", ">=", "<", "<=", "=="]

#: An operator, and a value that is read otherwise.
LIMIT_PATTERN = r"^ *(>=|<=|==|>|<) *(?=[^ ])"


@frozen
class Limit:
    """A comparison that makes an alert: what it is compared by, and with what."""

    operator: Operator
    value: int


_LIMIT = re.compile(LIMIT_PATTERN)


def parse_limit(text: str, parse: Callable[[str], int]) -> Limit | None:
    """Return a limit whose value `parse` reads; None if the text begins with no operator.

    >>> parse_limit("> 1000", int)
    Limit(operator='>', value=1000)
    """
    begin = _LIMIT.match(text)
    if begin is None:
        return None
    (operator,) = (one for one in get_args(Operator) if one == begin.group(1))
    return Limit(operator, parse(text[begin.end() :]))
