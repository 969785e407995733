"""The keys of policies that say something here, what each takes, and how two policies merge.

The checks are those of `rabbit_policies`. Arguments of the same meaning carry `x-` in front; they
are in `leveret.queues.arguments`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from attrs import frozen

from leveret.properties import FieldValue
from leveret.queues.arguments import MAX_SEGMENT_BYTES
from leveret.queues.stream_arguments import max_age_ms

__all__ = [
    "IGNORED_POLICY_KEYS",
    "POLICY_KEYS",
    "PolicyKey",
    "merge_definitions",
]

_Accepts: TypeAlias = Callable[[FieldValue], bool]


@frozen
class PolicyKey:
    """What RabbitMQ calls a key's value in a refusal, its kind, and which values it takes."""

    called: str
    #: `int` or `str`.
    kind: type
    accepts: _Accepts
    #: The values that it takes; () where there is no list of them.
    allowed: tuple[str, ...] = ()


def _limit(called: str, least: int = 0, most: int | None = None) -> PolicyKey:
    def accepts(value: FieldValue) -> bool:
        if not isinstance(value, int) or isinstance(value, bool):
            return False
        return value >= least and (most is None or value <= most)

    return PolicyKey(called, int, accepts)


def _text(called: str, *allowed: str) -> PolicyKey:
    def accepts(value: FieldValue) -> bool:
        return isinstance(value, str) and (not allowed or value in allowed)

    return PolicyKey(called, str, accepts, allowed)


#: Policy key -> what it takes.
POLICY_KEYS: dict[str, PolicyKey] = {
    "alternate-exchange": _text("alternate exchange name"),
    "dead-letter-exchange": _text("dead letter exchange name"),
    "dead-letter-routing-key": _text("dead letter routing key"),
    "dead-letter-strategy": _text("dead letter strategy", "at-most-once", "at-least-once"),
    "message-ttl": _limit("message TTL"),
    "expires": _limit("queue expiry", 1),
    "max-length": _limit("maximum length"),
    "max-length-bytes": _limit("maximum length in bytes"),
    "max-in-memory-length": _limit("maximum memory in messages"),
    "max-in-memory-bytes": _limit("maximum memory in bytes"),
    "delivery-limit": _limit("delivery limit"),
    "overflow": _text("overflow value", "drop-head", "reject-publish", "reject-publish-dlx"),
    "queue-mode": _text("queue-mode value", "default", "lazy"),
    "queue-version": _limit("queue-version value", 1),
    "queue-master-locator": _text("queue master locator"),
    "queue-leader-locator": _text("queue leader locator"),
    "consumer-timeout": _limit("consumer timeout"),
    "delayed-retry-type": _text("delayed retry type", "all", "returned", "failed", "disabled"),
    "delayed-retry-min": _limit("delayed retry minimum"),
    "delayed-retry-max": _limit("delayed retry maximum"),
    "max-age": PolicyKey("max age", str, lambda value: max_age_ms(value) is not None),
    "stream-max-segment-size-bytes": _limit("segment size", most=MAX_SEGMENT_BYTES),
}

#: Beginnings of keys that RabbitMQ or its plugins know and that mean nothing on one node.
IGNORED_POLICY_KEYS = (
    "ha-", "federation", "stream-filter-", "initial-cluster-size", "target-group-size"
)  # fmt: skip

#: Where a policy and an operator policy both set one of these, the smaller holds.
_SMALLER = frozenset(
    {
        "expires",
        "message-ttl",
        "max-length",
        "max-length-bytes",
        "max-in-memory-length",
        "max-in-memory-bytes",
        "delivery-limit",
    }
)


def merge_definitions(
    policy: Mapping[str, FieldValue], operator: Mapping[str, FieldValue]
) -> dict[str, FieldValue]:
    """Return a policy's definition, capped by that of an operator policy (S100)."""
    merged = dict(policy)
    for key, cap in operator.items():
        value = merged.get(key)
        both = isinstance(value, int) and isinstance(cap, int)
        merged[key] = min(value, cap) if both and key in _SMALLER else cap  # type: ignore[type-var]
    return merged
