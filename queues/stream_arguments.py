"""What streams take as arguments: ages such as `7D`, and the offset at which a consumer begins."""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING

from leveret.routing.erlang import erlang_term, erlang_type

if TYPE_CHECKING:
    from leveret.properties import FieldTable, FieldValue
    from leveret.queues.stream_log import StreamLog

__all__ = ["max_age_error", "max_age_ms", "offset_error", "start_offset", "tracking_error"]

_DAY_MS = 24 * 60 * 60 * 1000
#: `rabbit_amqqueue:unit_value_in_ms`
_UNITS_MS = {
    "Y": 365 * _DAY_MS,
    "M": 30 * _DAY_MS,
    "D": _DAY_MS,
    "h": 60 * 60 * 1000,
    "m": 60 * 1000,
    "s": 1000,
}
_AGE = re.compile(r"([0-9]+)([YMDhms])")


def max_age_ms(text: FieldValue) -> int | None:
    """Return the milliseconds of an age, a number and one of Y, M, D, h, m, s; None if it is none.

    >>> max_age_ms("2h"), max_age_ms("7D"), max_age_ms("7d")
    (7200000, 604800000, None)
    """
    found = _AGE.fullmatch(text) if isinstance(text, str) else None
    return int(found[1]) * _UNITS_MS[found[2]] or None if found else None


def max_age_error(value: FieldValue, _: FieldTable) -> str | None:
    """Return why RabbitMQ refuses a value of `x-max-age`, or None."""
    if not isinstance(value, str):
        return f"{{unacceptable_type,{erlang_type(value)}}}"
    return None if max_age_ms(value) else "invalid_max_age"


def offset_error(value: FieldValue, _: FieldTable) -> str | None:
    """Return why RabbitMQ refuses a value of `x-stream-offset`, or None.

    RabbitMQ 3.10 ends the connection with 541 where a value is of another type altogether.
    """
    if isinstance(value, str) and (value in ("first", "last", "next") or max_age_ms(value)):
        return None
    if isinstance(value, int | datetime.datetime) and not isinstance(value, bool):
        return None
    return f"{{invalid_stream_offset_arg,{{{erlang_type(value)},{erlang_term(value)}}}}}"


def tracking_error(value: FieldValue, _: FieldTable) -> str | None:
    """Return what is wrong with a value of `x-stream-automatic-offset-tracking`, or None."""
    if isinstance(value, bool) or value in ("true", "false"):
        return None
    return f"{{unacceptable_type,{erlang_type(value)}}}"


def start_offset(value: FieldValue, log: StreamLog, now_ms: int) -> int:
    """Return where a consumer begins that has this `x-stream-offset`; without one, at the next.

    An offset below the first message there is means that one; one above the next is waited for.
    `last` is the last message: RabbitMQ, which reads by chunks, begins with the last chunk.

    Raises:
        StorageError: a chunk cannot be read.

    """
    if value == "first":
        return log.first_offset
    if value == "last":
        return max(log.next_offset - 1, log.first_offset)
    if isinstance(value, datetime.datetime):
        if value.tzinfo is None:
            value = value.replace(tzinfo=datetime.UTC)
        return log.offset_at(int(value.timestamp() * 1000))
    if isinstance(value, int):
        return max(value, log.first_offset)
    age_ms = max_age_ms(value)
    return log.next_offset if age_ms is None else log.offset_at(now_ms - age_ms)
