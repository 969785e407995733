"""Bodies of messages: bytes as they are, text as UTF-8, all else as JSON."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["JSON", "TEXT", "Body", "encode"]

#: What a body may be: bytes, text, or what `json.dumps` takes.
Body = Any

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"


def encode(body: Body) -> tuple[bytes, str | None]:
    """Return the bytes of a body, and their content type; that of bytes is nobody's guess.

    >>> encode({"id": 7})
    (b'{"id":7}', 'application/json')

    Raises:
        TypeError: it is neither bytes nor text, and JSON has no form for it.

    """
    if isinstance(body, bytes):
        return body, None
    if isinstance(body, str):
        return body.encode(), TEXT
    if isinstance(body, bytearray | memoryview):
        return bytes(body), None
    try:
        text = json.dumps(body, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"a body of type {type(body).__name__} cannot be sent as JSON: {error}."
            " Give bytes, text, or what json.dumps takes."
        ) from None
    return text.encode(), JSON
