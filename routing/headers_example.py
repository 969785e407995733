"""Headers that a message needs to pass several headers bindings at once, and to miss others.

Of each binding to pass, either everything it asks for must be there, or one thing of it. So there
are choices, each of which asks for some headers, and the fewest that it asks for decide it: more
headers never make a message miss a binding. Where any value will do, one is taken that no binding
names.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leveret.properties import FieldValue
    from leveret.routing.headers import Criterion, HeadersMatch

__all__ = ["HeadersExample", "headers_example"]

#: Choices tried, of which none may lead anywhere.
_MAX_CHOICES: Final = 1_000


class HeadersExample(NamedTuple):
    """Headers that do, or None; then `is_certain` says whether there are none that do."""

    headers: dict[str, FieldValue] | None
    is_certain: bool


def headers_example(
    passes: Sequence[Sequence[HeadersMatch]], misses: Sequence[HeadersMatch] = ()
) -> HeadersExample:
    """Return the headers of a message that passes one binding of each group, and none of `misses`.

    >>> from leveret.routing import HeadersMatch
    >>> png, any_size = (HeadersMatch.compile(one) for one in ({"format": "png"}, {"size": None}))
    >>> headers_example([[png], [any_size]]).headers
    {'format': 'png', 'size': 'x'}
    >>> headers_example([[any_size]], misses=[any_size])
    HeadersExample(headers=None, is_certain=True)
    """
    asked = [[asked for match in group for asked in _alternatives(match)] for group in passes]
    matches = [match for group in passes for match in group]
    filler = _unnamed_value([*matches, *misses])
    for number, choice in enumerate(itertools.product(*asked)):
        if number >= _MAX_CHOICES:
            return HeadersExample(None, False)
        headers = _headers([criterion for part in choice for criterion in part], filler)
        if headers is not None and not any(match.matches(headers) for match in misses):
            return HeadersExample(headers, True)
    return HeadersExample(None, True)


def _alternatives(match: HeadersMatch) -> list[tuple[Criterion, ...]]:
    """Return the sets of criteria of which a message must meet one whole."""
    if match.mode.startswith("all"):
        return [match.criteria]
    return [(criterion,) for criterion in match.criteria]


def _headers(wanted: Sequence[Criterion], filler: str) -> dict[str, FieldValue] | None:
    """Return headers that meet all criteria; None if two contradict each other."""
    named = {one.name: one.value for one in wanted if one.value is not None}
    headers: dict[str, FieldValue] = {one.name: named.get(one.name, filler) for one in wanted}
    return headers if all(one.accepts(headers[one.name]) for one in wanted) else None


def _unnamed_value(matches: Sequence[HeadersMatch]) -> str:
    named = {one.value for match in matches for one in match.criteria if isinstance(one.value, str)}
    return next(text for n in itertools.count(1) if (text := "x" * n) not in named)
