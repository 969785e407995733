"""The arguments of queue.declare: which queue type knows which, and what values they take.

One table holds them all (S13–S19). The checks and their order are RabbitMQ's
(`rabbit_amqqueue:declare_args`); so are the texts, which clients see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from leveret.deduplication import DEDUPLICATION_CHECKS
from leveret.errors import PreconditionFailed
from leveret.properties import FieldTable, FieldValue
from leveret.queues.rules import QueueRules
from leveret.queues.stream_arguments import max_age_error, offset_error, tracking_error
from leveret.routing.erlang import erlang_term, erlang_type

__all__ = [
    "MAX_EXPIRY_MS",
    "QUEUE_TYPES",
    "assert_equal",
    "assert_same_arguments",
    "check_arguments",
    "check_consumer_arguments",
    "expiry_error",
    "known_arguments",
    "queue_type",
]

#: The largest TTL, expiry or expiration that RabbitMQ takes, ten years
#: (`rabbit_misc:check_expiry`).
MAX_EXPIRY_MS = 315_360_000_000

#: A check returns what RabbitMQ prints as the reason of a refusal, or None.
Check: TypeAlias = Callable[[FieldValue, FieldTable], str | None]


def _unacceptable(value: FieldValue) -> str:
    return f"{{unacceptable_type,{erlang_type(value)}}}"


def expiry_error(milliseconds: int) -> str | None:
    """Return why RabbitMQ refuses a time to live in milliseconds, or None."""
    if milliseconds < 0:
        return f"{{value_negative,{milliseconds}}}"
    if milliseconds > MAX_EXPIRY_MS:
        return f"{{value_too_large,{milliseconds}}}"
    return None


def _is_int(value: FieldValue) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _integer(value: FieldValue, _: FieldTable) -> str | None:
    return None if _is_int(value) else f'"expected integer, got {erlang_type(value)}"'


def _non_negative(value: FieldValue, arguments: FieldTable) -> str | None:
    if error := _integer(value, arguments):
        return error
    assert isinstance(value, int)
    return f"{{value_negative,{value}}}" if value < 0 else None


def _positive(value: FieldValue, arguments: FieldTable) -> str | None:
    return _non_negative(value, arguments) or ("{value_zero,0}" if value == 0 else None)


def _message_ttl(value: FieldValue, arguments: FieldTable) -> str | None:
    if error := _integer(value, arguments):
        return error
    assert isinstance(value, int)
    return expiry_error(value)


def _expires(value: FieldValue, arguments: FieldTable) -> str | None:
    if _is_int(value) and value == 0:
        return "{value_zero,0}"
    return _message_ttl(value, arguments)


def _max_priority(value: FieldValue, arguments: FieldTable) -> str | None:
    if error := _non_negative(value, arguments):
        return error
    assert isinstance(value, int)
    return f"{{max_value_exceeded,{value}}}" if value > 255 else None


def _boolean(value: FieldValue, _: FieldTable) -> str | None:
    return None if isinstance(value, bool) else _unacceptable(value)


def _string(value: FieldValue, _: FieldTable) -> str | None:
    return None if isinstance(value, str) else _unacceptable(value)


def _dead_letter_routing_key(value: FieldValue, arguments: FieldTable) -> str | None:
    if error := _string(value, arguments):
        return error
    if "x-dead-letter-exchange" not in arguments:
        return "routing_key_but_no_dlx_defined"
    return None


def _one_of(*allowed: str, error: str) -> Check:
    def check(value: FieldValue, _: FieldTable) -> str | None:
        if not isinstance(value, str):
            return _unacceptable(value)
        return None if value in allowed else error.replace("{}", value)

    return check


def _queue_version(value: FieldValue, arguments: FieldTable) -> str | None:
    if error := _non_negative(value, arguments):
        return error
    return None if value in (1, 2) else f"\"unsupported queue version '{erlang_term(value)}'\""


#: x-queue-type -> the name of RabbitMQ's module for it, which stands in error texts.
QUEUE_TYPES = {
    "classic": "rabbit_classic_queue",
    "quorum": "rabbit_quorum_queue",
    "stream": "rabbit_stream_queue",
}

_QUEUE_TYPE = _one_of(*QUEUE_TYPES, error="\"unsupported queue type '{}'\"")

_LOCATOR = _one_of("client-local", "balanced", error="invalid_queue_locator_arg")

#: The largest segment that a stream may have (`rabbit_stream_queue`).
MAX_SEGMENT_BYTES = 3_000_000_000

#: Argument -> its check, in the order in which RabbitMQ runs them.
_CHECKS: dict[str, Check] = {
    "x-expires": _expires,
    "x-message-ttl": _message_ttl,
    "x-dead-letter-exchange": _string,
    "x-dead-letter-routing-key": _dead_letter_routing_key,
    "x-dead-letter-strategy": _one_of(
        "at-most-once", "at-least-once", error="invalid_dlx_strategy"
    ),
    "x-max-length": _non_negative,
    "x-max-length-bytes": _non_negative,
    "x-max-in-memory-length": _non_negative,
    "x-max-in-memory-bytes": _non_negative,
    "x-max-priority": _max_priority,
    "x-overflow": _one_of(
        "drop-head", "reject-publish", "reject-publish-dlx", error="invalid_overflow"
    ),
    "x-queue-mode": _one_of("default", "lazy", error="\"unsupported queue mode '{}'\""),
    "x-queue-version": _queue_version,
    "x-single-active-consumer": _boolean,
    "x-queue-type": _QUEUE_TYPE,
    "x-max-age": max_age_error,
    "x-stream-max-segment-size-bytes": _non_negative,
    "x-initial-cluster-size": _positive,
    "x-quorum-initial-group-size": _positive,
    "x-queue-leader-locator": _LOCATOR,
    "x-consumer-timeout": _non_negative,
    "x-visibility-timeout": _expires,
    "x-delayed-retry-type": _one_of(
        "all", "returned", "failed", "disabled", error="invalid_delayed_retry_type"
    ),
    "x-delayed-retry-min": _non_negative,
    "x-delayed-retry-max": _non_negative,
    **DEDUPLICATION_CHECKS,
}

#: Queue type -> the arguments it knows, in RabbitMQ's order (`capabilities/0` of its module).
_KNOWN: dict[str, tuple[str, ...]] = {
    "classic": (
        "x-expires",
        "x-message-ttl",
        "x-dead-letter-exchange",
        "x-dead-letter-routing-key",
        "x-max-length",
        "x-max-length-bytes",
        "x-max-priority",
        "x-overflow",
        "x-queue-mode",
        "x-queue-version",
        "x-single-active-consumer",
        "x-queue-type",
        "x-queue-master-locator",
        "x-visibility-timeout",
    ),
    "quorum": (
        "x-dead-letter-exchange",
        "x-dead-letter-routing-key",
        "x-dead-letter-strategy",
        "x-expires",
        "x-max-length",
        "x-max-length-bytes",
        "x-max-in-memory-length",
        "x-max-in-memory-bytes",
        "x-overflow",
        "x-single-active-consumer",
        "x-queue-type",
        "x-quorum-initial-group-size",
        "x-delivery-limit",
        "x-message-ttl",
        "x-queue-leader-locator",
        "x-visibility-timeout",
    ),
    "stream": (
        "x-max-length-bytes",
        "x-queue-type",
        "x-max-age",
        "x-stream-max-segment-size-bytes",
        "x-initial-cluster-size",
        "x-queue-leader-locator",
    ),
}

_KNOWN_TO_SOME = frozenset(DEDUPLICATION_CHECKS).union(*_KNOWN.values())

_CONSUMER_CHECKS: dict[str, Check] = {
    "x-priority": _integer,
    "x-cancel-on-ha-failover": _boolean,
    "x-visibility-timeout": _expires,
    "x-stream-offset": offset_error,
    # LavinMQ's, and leveret's own: see `stream_groups`.
    "x-stream-automatic-offset-tracking": tracking_error,
    "x-stream-group": _string,
}

_CONSUMER_KNOWN: dict[str, tuple[str, ...]] = {
    "classic": ("x-cancel-on-ha-failover", "x-priority", "x-credit", "x-visibility-timeout"),
    "quorum": ("x-priority", "x-credit", "x-visibility-timeout"),
    "stream": (
        "x-stream-offset",
        "x-credit",
        "x-stream-automatic-offset-tracking",
        "x-stream-group",
    ),
}

_CONSUMER_KNOWN_TO_SOME = frozenset[str]().union(*_CONSUMER_KNOWN.values())


def queue_type(arguments: FieldTable) -> str:
    """Return the queue type that the arguments ask for; `classic` where they ask for none."""
    value = arguments.get("x-queue-type")
    return value if isinstance(value, str) and value in QUEUE_TYPES else "classic"


def _run(checks: Iterable[tuple[str, Check]], arguments: FieldTable, resource: str) -> None:
    for name, check in checks:
        if name in arguments and (error := check(arguments[name], arguments)):
            raise PreconditionFailed(f"invalid arg '{name}' for {resource}: {error}")


def _refuse_foreign(
    arguments: FieldTable, known: Iterable[str], known_to_some: Iterable[str], where: str
) -> None:
    foreign = set(known_to_some).difference(known)
    for name in arguments:
        if name in foreign:
            raise PreconditionFailed(f"invalid arg '{name}' for {where}")


def known_arguments(kind: str, rules: QueueRules) -> tuple[str, ...]:
    """Return the arguments that queues of type `kind` know, and a redeclaration must repeat."""
    if kind == "stream":
        return _KNOWN[kind]
    more = rules.more_classic_arguments if kind == "classic" else rules.more_quorum_arguments
    return (*_KNOWN[kind], *sorted(more), *DEDUPLICATION_CHECKS)


def check_arguments(arguments: FieldTable, resource: str, rules: QueueRules | None = None) -> None:
    """Check the arguments of a queue that is to be created (S15–S18).

    `resource` is its name as texts print it: `queue 'q' in vhost '/'`.

    Raises:
        PreconditionFailed: an argument has a value or type that RabbitMQ refuses.

    """
    if not arguments:
        return
    _run([("x-queue-type", _QUEUE_TYPE)], arguments, resource)
    kind = queue_type(arguments)
    known = known_arguments(kind, rules or QueueRules())
    _run(((name, c) for name, c in _CHECKS.items() if name in known), arguments, resource)
    where = f"{resource} of queue type {QUEUE_TYPES[kind]}"
    _refuse_foreign(arguments, known, _KNOWN_TO_SOME, where)
    segment = arguments.get("x-stream-max-segment-size-bytes", 0)
    if isinstance(segment, int) and segment > MAX_SEGMENT_BYTES:
        raise PreconditionFailed("Exceeded max value for x-stream-max-segment-size-bytes")


def check_consumer_arguments(arguments: FieldTable, kind: str, resource: str) -> None:
    """Check the arguments of basic.consume on a queue of type `kind`.

    Raises:
        PreconditionFailed: an argument has a value or type that RabbitMQ refuses.

    """
    if not arguments:
        return
    known = _CONSUMER_KNOWN[kind]
    _run(((name, c) for name, c in _CONSUMER_CHECKS.items() if name in known), arguments, resource)
    where = f"{resource} of queue type {QUEUE_TYPES[kind]}"
    _refuse_foreign(arguments, known, _CONSUMER_KNOWN_TO_SOME, where)


def _quoted(value: FieldValue) -> str:
    if isinstance(value, bytes | bytearray):
        value = value.decode("utf-8", "replace")
    return f"'{value if isinstance(value, str) else erlang_term(value)}'"


def _described(arguments: FieldTable, name: str) -> str:
    if name not in arguments:
        return "none"
    value = arguments[name]
    return f"the value {_quoted(value)} of type '{erlang_type(value)}'"


def _type_class(value: FieldValue) -> str:
    kind = erlang_type(value)
    return "int" if isinstance(value, int) and kind != "bool" else kind


def _same(name: str, current: FieldTable, received: FieldTable) -> bool:
    if name in current and name in received:
        return (
            _type_class(current[name]) == _type_class(received[name])
            and current[name] == received[name]
        )
    if name not in current and name not in received:
        return True
    # A classic queue may name its type or not (S4).
    return name == "x-queue-type" and (current.get(name) or received.get(name)) == "classic"


def assert_same_arguments(
    names: Iterable[str], current: FieldTable, received: FieldTable, resource: str
) -> None:
    """Check that a redeclaration's arguments `names` are those of what exists (S2–S5).

    Raises:
        PreconditionFailed: one of them differs; the text shows both values.

    """
    for name in names:
        if _same(name, current, received):
            continue
        if name in current and name in received:
            got, have = _quoted(received[name]), _quoted(current[name])
        else:
            got, have = _described(received, name), _described(current, name)
        raise PreconditionFailed(
            f"inequivalent arg '{name}' for {resource}: received {got} but current is {have}"
        )


def assert_equal(name: str, current: bool | str, received: bool | str, resource: str) -> None:
    """Check that a redeclaration's field `name` is that of what exists (S1).

    Raises:
        PreconditionFailed: it differs; the text shows both values.

    """
    if current != received:
        got, have = _quoted(received), _quoted(current)
        raise PreconditionFailed(
            f"inequivalent arg '{name}' for {resource}: received {got} but current is {have}"
        )
