"""Values that equal whatever fits: for bodies and headers in assertions, a test's own included.

>>> b'{"id": 7, "total": 4900}' == json_with(id=7)
True
>>> {"format": "png", "size": 3} == headers_with(format="png")
True
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from leveret.testing.views import Readable

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["headers_with", "json_equal", "json_with"]


class _Matcher:
    """Equals what a test says; shows itself as it was written."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, written: str, fits: Callable[[object], bool]) -> None:
        self._written = written
        self._fits = fits

    def __eq__(self, other: object) -> bool:
        return self._fits(other)

    def __repr__(self) -> str:
        return self._written


def json_equal(value: object) -> Any:
    """Return what equals a body (bytes, text, or a message) that is this value in JSON.

    >>> b'[1, 2]' == json_equal([1, 2])
    True
    """
    return _Matcher(f"json_equal({value!r})", lambda body: _parsed(body) == value)


def json_with(**fields: object) -> Any:
    """Return what equals a body that is a JSON object with these fields, and maybe others.

    Fields that are dicts need only be parts of what is there, too.

    >>> b'{"order": {"id": 7, "eu": true}}' == json_with(order={"id": 7})
    True
    """
    return _Matcher(f"json_with({_written(fields)})", lambda body: _is_part(fields, _parsed(body)))


def headers_with(**headers: object) -> Any:
    """Return what equals a headers table (or a message) with these headers, and maybe others."""

    def fits(other: object) -> bool:
        return _is_part(headers, other.headers if isinstance(other, Readable) else other)

    return _Matcher(f"headers_with({_written(headers)})", fits)


def _written(fields: dict[str, object]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in fields.items())


#: Equals nothing that JSON can say.
_NO_JSON = object()


def _parsed(body: object) -> object:
    if isinstance(body, Readable):
        body = body.body
    if not isinstance(body, bytes | bytearray | str):
        return _NO_JSON
    try:
        return json.loads(body)
    except ValueError:
        return _NO_JSON


def _is_part(wanted: object, given: object) -> bool:
    if isinstance(wanted, dict) and isinstance(given, dict):
        return all(name in given and _is_part(value, given[name]) for name, value in wanted.items())
    return wanted == given
