"""What a message becomes when it dies, and the rule that ends dead-letter cycles.

The `x-death` header is an array, most recent death first, with one table per (queue, reason):
its `count` grows and it moves to the front when the same death repeats (S101–S106). The rules
are those of `rabbit_dead_letter` and, from 3.13, `mc:record_death`.
"""

from __future__ import annotations

import datetime
import functools
from typing import TYPE_CHECKING

from attrs import frozen

from leveret.fields import encode_short_string, encode_table
from leveret.header import HEADER_BYTES, has_headers, plain_expiration, with_headers
from leveret.properties import Long, Properties
from leveret.queues.message import EncodedMessage, Message

if TYPE_CHECKING:
    from collections.abc import Iterable

    from leveret.properties import FieldValue
    from leveret.queues.message import AnyMessage

__all__ = ["DeathRules", "cycle", "is_cycle", "record_death"]


_ONE = Long(1)


@frozen(cache_hash=True)
class DeathRules:
    """Where RabbitMQ's versions differ about a death.

    `trusts_client`: an `x-death` header that a client sent in is counted on (S107).
    `records_last`: `x-last-death-*` headers are written (S105).
    `old_layout`: the order of fields and of older deaths is that of 3.10.
    """

    trusts_client: bool = False
    records_last: bool = True
    old_layout: bool = False


class DeadMessage(EncodedMessage):
    """A message that died, with its header in bytes: all but its `x-death` is as it came."""

    __slots__ = ("_header", "_message", "address", "exchange", "routing_key", "size")

    exchange: str
    routing_key: str
    expiration_ms = None
    extra_keys = ()
    died = True
    is_plain = False

    def __init__(
        self, exchange: str, routing_key: str, header: bytes, message: EncodedMessage
    ) -> None:
        self.exchange = exchange
        self.routing_key = routing_key
        self.address = _address(exchange, routing_key)
        self.size = message.size
        self._header = header
        self._message = message

    @property
    def header(self) -> bytes:
        """The payload of the content header."""
        return self._header

    @property
    def body(self) -> bytes:
        """The body."""
        return self._message.body


@functools.lru_cache(maxsize=1024)
def _address(exchange: str, routing_key: str) -> bytes:
    return encode_short_string(exchange) + encode_short_string(routing_key)


@functools.lru_cache(maxsize=4)
def _time(seconds: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, tz=datetime.UTC)


def _entry(
    message: AnyMessage, queue: str, reason: str, now_ms: int, rules: DeathRules
) -> dict[str, FieldValue]:
    properties = message.properties
    carbon_copies = properties.headers.get("CC") if properties.headers else None
    keys: list[FieldValue] = [message.routing_key]
    if isinstance(carbon_copies, list):
        keys += [key for key in carbon_copies if isinstance(key, str)]
    entry: dict[str, FieldValue] = {
        "count": _ONE,
        "reason": reason,
        "queue": queue,
        "time": _time(now_ms // 1000),
        "exchange": message.exchange,
        "routing-keys": keys,
    }
    if properties.expiration is None:
        return entry
    expiration: dict[str, FieldValue] = {"original-expiration": properties.expiration}
    return entry | expiration if rules.old_layout else expiration | entry


def _older_deaths(message: AnyMessage, rules: DeathRules) -> list[dict[str, FieldValue]] | None:
    """Return the deaths on record, or None for a message that dies for the first time."""
    deaths = (message.properties.headers or {}).get("x-death")
    if deaths is None or not (message.died or rules.trusts_client):
        return None
    if not isinstance(deaths, list):
        return []
    return [death for death in deaths if isinstance(death, dict)]


def _regrouped(deaths: list[dict[str, FieldValue]]) -> list[dict[str, FieldValue]]:
    """Return one death for each queue and reason, in reverse order, as 3.10 does before it counts.

    Where a client sent several of one queue and reason without a count, their number is the count.
    """
    # (queue, reason) -> deaths
    groups: dict[tuple[str, str], list[dict[str, FieldValue]]] = {}
    for death in deaths:
        key = (repr(death.get("queue")), repr(death.get("reason")))
        groups.setdefault(key, []).append(death)
    return [{"count": Long(len(g))} | g[0] for g in reversed(groups.values())]


def _merge(
    entry: dict[str, FieldValue], older: list[dict[str, FieldValue]], rules: DeathRules
) -> list[FieldValue]:
    """Return the deaths with the new one counted in, most recent first."""
    if rules.old_layout and len(older) > 1:
        older = _regrouped(older)
    others: list[FieldValue] = []
    for death in older:
        if death.get("queue") == entry["queue"] and death.get("reason") == entry["reason"]:
            count = death.get("count")
            entry = death | {"count": Long(count + 1 if isinstance(count, int) else 1)}
        else:
            others.append(death)
    return [dict(sorted(entry.items())) if rules.old_layout else entry, *others]


def record_death(
    message: AnyMessage,
    queue: str,
    reason: str,
    now_ms: int,
    rules: DeathRules,
    *,
    exchange: str | None = None,
    routing_key: str | None = None,
) -> AnyMessage:
    """Return the message as it leaves `queue`, dead for `reason` at `now_ms` (S101–S106).

    Its `expiration` is gone, so that it does not expire again where it lands (S106). It is
    addressed to `exchange`, and to `routing_key` where the queue has one for its dead letters,
    which then takes the place of all keys it had, CC and BCC included (S108).
    """
    to_exchange = message.exchange if exchange is None else exchange
    to_key = message.routing_key if routing_key is None else routing_key
    if isinstance(message, EncodedMessage) and not message.extra_keys:
        header = message.header
        expiration = plain_expiration(header, HEADER_BYTES, len(header))
        if expiration is not None and not has_headers(header):
            table = _first_death(
                message.exchange,
                message.routing_key,
                expiration.decode("utf-8", "surrogateescape") or None,
                queue,
                reason,
                now_ms // 1000,
                rules,
            )
            return DeadMessage(to_exchange, to_key, with_headers(header, table), message)
    headers = _headers(message, queue, reason, now_ms, rules)
    if routing_key is not None:
        headers.pop("CC", None)
    return Message(
        to_exchange,
        to_key,
        message.properties.replaced(headers, None),
        message.body,
        None,
        message.extra_keys if routing_key is None else (),
        True,
        message.size,
        False,
    )


@functools.lru_cache(maxsize=1024)
def _first_death(
    exchange: str,
    routing_key: str,
    expiration: str | None,
    queue: str,
    reason: str,
    seconds: int,
    rules: DeathRules,
) -> bytes:
    """Return the headers, encoded, of a message that had none and dies for the first time.

    Measured: messages that die die many in a second, of the same thing; to write the same table for
    each, and to read and write their other properties, took three quarters of a dead letter's time.
    """
    message = Message(exchange, routing_key, Properties(expiration=expiration), b"")
    return encode_table(_headers(message, queue, reason, seconds * 1000, rules))


def _headers(
    message: AnyMessage, queue: str, reason: str, now_ms: int, rules: DeathRules
) -> dict[str, FieldValue]:
    """Return a message's headers with one more death."""
    given = message.properties.headers
    headers: dict[str, FieldValue] = dict(given) if given else {}
    entry = _entry(message, queue, reason, now_ms, rules)
    older = _older_deaths(message, rules) if given else None
    if older is None:
        headers["x-first-death-reason"] = reason
        headers["x-first-death-queue"] = queue
        headers["x-first-death-exchange"] = message.exchange
    if rules.records_last:
        headers["x-last-death-reason"] = reason
        headers["x-last-death-queue"] = queue
        headers["x-last-death-exchange"] = message.exchange
    headers["x-death"] = [entry] if older is None else _merge(entry, older, rules)
    return dict(sorted(headers.items())) if rules.old_layout else headers


def _deaths(message: AnyMessage) -> list[dict[str, FieldValue]]:
    deaths = (message.properties.headers or {}).get("x-death")
    return [d for d in deaths if isinstance(d, dict)] if isinstance(deaths, list) else []


def is_cycle(message: AnyMessage, reason: str, target: str) -> bool:
    """Say whether dead-lettering to queue `target` would go in a circle (S110–S112).

    It would when `target` stands in the death history, and no death since, nor that one, was an
    explicit reject.
    """
    if reason == "rejected":
        return False
    since: list[FieldValue] = []
    for death in _deaths(message):
        since.append(death.get("reason"))
        if death.get("queue") == target:
            return "rejected" not in since
    return False


def cycle(message: AnyMessage, target: str) -> Iterable[str]:
    """Return the queues of the circle, ordered by death recency, for the log."""
    return [target, *(str(death.get("queue")) for death in _deaths(message))]
