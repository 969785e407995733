"""What holds for a queue: its arguments and its policies, merged (S100)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field, frozen

from leveret.queues.arguments import known_arguments, queue_type
from leveret.queues.rules import QueueRules
from leveret.queues.stream_arguments import max_age_ms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leveret.properties import FieldTable, FieldValue

__all__ = ["QueueSettings", "effective_settings"]


@frozen
class QueueSettings:
    """The limits, times and dead-letter target in force; None where there is none.

    Times are in milliseconds, `max_length` in messages, `max_length_bytes` in bytes of body.
    """

    type: str = "classic"
    message_ttl_ms: int | None = None
    expires_ms: int | None = None
    max_length: int | None = None
    max_length_bytes: int | None = None
    overflow: str = "drop-head"
    dead_letter_exchange: str | None = None
    dead_letter_routing_key: str | None = None
    dead_letter_strategy: str = "at-most-once"
    max_priority: int | None = None
    single_active_consumer: bool = False
    delivery_limit: int | None = None
    consumer_timeout_ms: int | None = None
    #: How long a delivery is its consumer's before it comes back; leveret's own.
    visibility_timeout_ms: int | None = None
    #: Which returns to a quorum queue wait before they are ready again: `returned` (basic.nack),
    #: `failed` (basic.reject, a lost channel), `all` or `disabled`.
    delayed_retry_type: str = "disabled"
    delayed_retry_min_ms: int = 0
    delayed_retry_max_ms: int | None = None
    #: A stream's: how old a segment's last message may get, and how large a segment is.
    max_age_ms: int | None = None
    segment_bytes: int | None = None

    #: Whether each delivery has to be looked at again at a time of its own.
    watches_deliveries: bool = field(init=False, eq=False, repr=False)

    @watches_deliveries.default
    def _watches_deliveries(self) -> bool:
        return self.consumer_timeout_ms is not None or self.visibility_timeout_ms is not None

    def retry_delay_ms(self, *, failed: bool, delivery_count: int) -> int:
        """Return how long a returned message waits: longer each time, up to the maximum."""
        if self.delayed_retry_type not in ("all", "failed" if failed else "returned"):
            return 0
        delay_ms = self.delayed_retry_min_ms * max(delivery_count, 1)
        limit_ms = self.delayed_retry_max_ms
        return delay_ms if limit_ms is None else min(delay_ms, limit_ms)


def _number(policy: FieldValue, argument: FieldValue) -> int | None:
    """Return the smaller of two numbers, where both are set (S100)."""
    numbers = [n for n in (policy, argument) if isinstance(n, int) and not isinstance(n, bool)]
    return min(numbers, default=None)


def _text(policy: FieldValue, argument: FieldValue) -> str | None:
    """Return the argument, or else the policy (S100)."""
    for value in (argument, policy):
        if isinstance(value, str):
            return value
    return None


def _delivery_limit(
    policy: Mapping[str, FieldValue], arguments: FieldTable, default: int | None
) -> int | None:
    """Return the smaller limit, but one that is off (negative) gives way to one that is not."""
    values = (policy.get("delivery-limit"), arguments.get("x-delivery-limit"))
    limits = [v for v in values if isinstance(v, int) and not isinstance(v, bool)]
    if not limits:
        return default
    limit = max(limits) if min(limits) < 0 else min(limits)
    return None if limit < 0 else limit


def _stream_settings(arguments: FieldTable, policy: Mapping[str, FieldValue]) -> QueueSettings:
    """Merge what a stream knows of; its policy goes before its arguments."""

    def merged(key: str) -> FieldValue:
        return policy.get(key, arguments.get(f"x-{key}"))

    return QueueSettings(
        type="stream",
        max_length_bytes=_number(merged("max-length-bytes"), None),
        max_age_ms=max_age_ms(merged("max-age")),
        segment_bytes=_number(merged("stream-max-segment-size-bytes"), None),
        consumer_timeout_ms=_number(policy.get("consumer-timeout"), None),
    )


def effective_settings(
    arguments: FieldTable,
    policy: Mapping[str, FieldValue] | None = None,
    *,
    default_delivery_limit: int | None = None,
    rules: QueueRules | None = None,
) -> QueueSettings:
    """Merge a queue's arguments with the definition of the policies that apply to it.

    `policy` has the keys of RabbitMQ's policies, such as `message-ttl`. The default delivery
    limit is the profile's; it holds for quorum queues without a limit of their own, and -1
    switches the limit off (S87).
    """
    policy = policy or {}

    def number(key: str) -> int | None:
        return _number(policy.get(key), arguments.get(f"x-{key}"))

    def text(key: str) -> str | None:
        return _text(policy.get(key), arguments.get(f"x-{key}"))

    kind = queue_type(arguments)
    if kind == "stream":
        return _stream_settings(arguments, policy)
    known = known_arguments(kind, rules or QueueRules())
    max_priority = arguments.get("x-max-priority") if "x-max-priority" in known else None
    overflow = text("overflow") or "drop-head"
    limit = None
    if kind == "quorum":
        # A quorum queue's policy goes before its argument here, and it has no reject-publish-dlx.
        overflow = _text(arguments.get("x-overflow"), policy.get("overflow")) or "drop-head"
        overflow = "drop-head" if overflow == "reject-publish-dlx" else overflow
        limit = _delivery_limit(policy, arguments, default_delivery_limit)
    return QueueSettings(
        type=kind,
        message_ttl_ms=number("message-ttl"),
        expires_ms=number("expires"),
        max_length=number("max-length"),
        max_length_bytes=number("max-length-bytes"),
        overflow=overflow,
        dead_letter_exchange=text("dead-letter-exchange"),
        dead_letter_routing_key=text("dead-letter-routing-key"),
        dead_letter_strategy=text("dead-letter-strategy") or "at-most-once",
        max_priority=max_priority if isinstance(max_priority, int) else None,
        single_active_consumer=arguments.get("x-single-active-consumer") is True,
        delivery_limit=limit,
        consumer_timeout_ms=number("consumer-timeout"),
        visibility_timeout_ms=_number(None, arguments.get("x-visibility-timeout")),
        delayed_retry_type=(kind == "quorum" and text("delayed-retry-type")) or "disabled",
        delayed_retry_min_ms=number("delayed-retry-min") or 0,
        delayed_retry_max_ms=number("delayed-retry-max"),
    )
