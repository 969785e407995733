"""Where consumers of a stream begin, as programs say it, as the arguments of basic.consume."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

from leveret.durations import milliseconds
from leveret.queues.stream_arguments import max_age_ms

if TYPE_CHECKING:
    from leveret.properties import FieldValue

__all__ = ["Offset", "stream_arguments"]

#: "first", "last", "next", an offset, a time, or how long ago: "1h", "7D" or a timedelta.
Offset: TypeAlias = str | int | datetime | timedelta


def stream_arguments(offset: Offset | None, group: str | None) -> dict[str, FieldValue]:
    """Return the consumer arguments that say where to begin, and for which group.

    >>> stream_arguments("1h", "billing")
    {'x-stream-offset': '1h', 'x-stream-group': 'billing'}

    Raises:
        ValueError: the text is neither a place nor a duration.
        TypeError: the offset is of another type.

    """
    arguments: dict[str, FieldValue] = {}
    if offset is not None:
        arguments["x-stream-offset"] = _place(offset)
    if group is not None:
        arguments["x-stream-group"] = group
    return arguments


def _place(offset: Offset) -> FieldValue:
    if isinstance(offset, str):
        if offset in ("first", "last", "next") or max_age_ms(offset):
            return offset
        try:
            age_ms = milliseconds(offset)
        except ValueError as error:
            raise ValueError(
                f"{error} An offset is 'first', 'last', 'next', a number, a time or a duration."
            ) from None
    elif isinstance(offset, timedelta):
        age_ms = milliseconds(offset)
    elif isinstance(offset, int | datetime) and not isinstance(offset, bool):
        return offset
    else:
        raise TypeError(
            "an offset is 'first', 'last', 'next', an int, a datetime or a duration, not"
            f" {offset!r}"
        )
    return f"{max(-(-age_ms // 1000), 1)}s"
