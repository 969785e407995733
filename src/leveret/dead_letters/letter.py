"""A dead letter: a message with what its headers say about its deaths.

Read from `x-death`, which is RabbitMQ's (S102–S105), and from the headers that a worker writes on
messages it gives up: `x-last-error`, `x-attempt`, `x-first-failed-at`. Headers are text and numbers
that anybody can send, so whatever has not the form expected counts as not there.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leveret.properties import FieldTable

__all__ = ["RECORD_HEADERS", "DeadLetter", "Death"]

#: Headers that tell of deaths and failed attempts: a message that starts afresh has none of them.
RECORD_HEADERS = frozenset(
    {
        "x-attempt",
        "x-death",
        "x-delivery-count",
        "x-first-death-exchange",
        "x-first-death-queue",
        "x-first-death-reason",
        "x-first-failed-at",
        "x-last-death-exchange",
        "x-last-death-queue",
        "x-last-death-reason",
        "x-last-error",
    }
)


@frozen
class Death:
    """One entry of `x-death`: how often a message died in a queue for a reason.

    `exchange` and `routing_keys` are those it had come there with; `time_ms` is that of its first
    death there, in milliseconds since the Unix epoch, of which RabbitMQ keeps whole seconds.
    """

    queue: str
    reason: str
    count: int
    exchange: str
    routing_keys: tuple[str, ...]
    time_ms: int | None


@frozen
class DeadLetter:
    """A message of a dead-letter queue. `deaths` are those on record, most recent first.

    `exchange` and `routing_key` are those it was published with before it died for the first time.
    `reason` and `queue` tell of its last death, `first_reason` and `first_queue` of its first; None
    where no header tells. `attempt` is the number that a worker's next attempt would have had, and
    `error` what its last one failed of. `died_at_ms` is when it died, as far as its headers tell.
    """

    exchange: str
    routing_key: str
    # further routing keys, which its CC header had given it
    extra_keys: tuple[str, ...]
    reason: str | None
    queue: str | None
    first_reason: str | None
    first_queue: str | None
    error: str | None
    attempt: int | None
    died_at_ms: int | None
    deaths: tuple[Death, ...]
    message_id: str | None
    headers: FieldTable
    body: bytes

    @classmethod
    def of(
        cls,
        exchange: str,
        routing_key: str,
        headers: FieldTable | None,
        body: bytes,
        message_id: str | None = None,
    ) -> DeadLetter:
        """Read a message as it lies in the dead-letter queue, with the address it came there by."""
        headers = headers or {}
        deaths = _deaths(headers)
        last, oldest = (deaths[0], deaths[-1]) if deaths else (None, None)
        first_queue = _text(headers, "x-first-death-queue") or (oldest.queue if oldest else None)
        first_reason = _text(headers, "x-first-death-reason")
        # A death that repeats moves to the front, so that the oldest entry need not be the first.
        first = next(
            (d for d in deaths if d.queue == first_queue and d.reason == first_reason), oldest
        )
        keys: tuple[str, ...] = (routing_key,)
        if first is not None:
            exchange, keys = first.exchange, first.routing_keys or keys
        died_at_ms = last.time_ms if last is not None else None
        failed_at_ms = _number(headers, "x-first-failed-at")
        return cls(
            exchange=exchange,
            routing_key=keys[0],
            extra_keys=keys[1:],
            reason=last.reason if last else _text(headers, "x-last-death-reason"),
            queue=last.queue if last else _text(headers, "x-last-death-queue") or first_queue,
            first_reason=first_reason or (first.reason if first else None),
            first_queue=first_queue,
            error=_text(headers, "x-last-error"),
            attempt=_number(headers, "x-attempt"),
            died_at_ms=died_at_ms if died_at_ms is not None else failed_at_ms,
            deaths=deaths,
            message_id=message_id,
            headers=headers,
            body=body,
        )

    def age_ms(self, now_ms: int) -> int | None:
        """Return how long ago it died, in milliseconds; None where it does not tell."""
        return None if self.died_at_ms is None else max(0, now_ms - self.died_at_ms)


def _deaths(headers: FieldTable) -> tuple[Death, ...]:
    entries = headers.get("x-death")
    if not isinstance(entries, list):
        return ()
    return tuple(
        Death(
            queue=_text(entry, "queue") or "",
            reason=_text(entry, "reason") or "",
            count=_number(entry, "count") or 1,
            exchange=_text(entry, "exchange") or "",
            routing_keys=_texts(entry.get("routing-keys")),
            time_ms=_time_ms(entry.get("time")),
        )
        for entry in entries
        if isinstance(entry, dict)
    )


def _text(table: Mapping[str, object], name: str) -> str | None:
    value = table.get(name)
    if isinstance(value, bytes | bytearray):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else None


def _texts(value: object) -> tuple[str, ...]:
    return tuple(v for v in value if isinstance(v, str)) if isinstance(value, list) else ()


def _number(table: Mapping[str, object], name: str) -> int | None:
    value = table.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _time_ms(value: object) -> int | None:
    if isinstance(value, datetime.datetime):
        aware = value if value.tzinfo is not None else value.replace(tzinfo=datetime.UTC)
        return round(aware.timestamp() * 1000)
    return None
