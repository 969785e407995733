"""Routing keys as AMQP carries them: how long they may be, and how they split into words."""

from __future__ import annotations

from typing import Final

from leveret.errors import LeveretError

__all__ = ["MAX_KEY_BYTES", "PatternError", "check_key", "key_bytes", "split_key"]

#: A routing or binding key travels as AMQP's `shortstr`, whose length is one octet
#: (AMQP 0-9-1 section 4.2.5.3).
MAX_KEY_BYTES: Final = 255


class PatternError(LeveretError, ValueError):
    """A routing or binding key that AMQP cannot carry; the message says what to do."""


def key_bytes(key: str) -> int:
    """Return the length of a key on the wire; surrogate escapes stand for single bytes."""
    return len(key) if key.isascii() else len(key.encode("utf-8", "surrogateescape"))


def check_key(key: str) -> str:
    """Return the routing or binding key as it is.

    Raises:
        PatternError: the key takes more than 255 bytes of UTF-8 (S48), or has no UTF-8 form.

    """
    try:
        length = key_bytes(key)
    except UnicodeEncodeError as error:
        raise PatternError(f"the key {key[:32]!r} has no UTF-8 form: {error.reason}") from error
    if length > MAX_KEY_BYTES:
        raise PatternError(
            f"the key takes {length} bytes and AMQP allows {MAX_KEY_BYTES}; "
            f"shorten it: {key[:32]!r}..."
        )
    return key


def split_key(key: str) -> list[str]:
    """Return the words of a key: none for "", two empty ones for "." (S40)."""
    return key.split(".") if key else []
