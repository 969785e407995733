"""Policies: settings for whatever queues and exchanges a pattern matches.

One policy applies to a resource: of those that match, the one of highest priority; and one
operator policy beside it, which caps it (S100).
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Literal

from attrs import define, field, frozen

from leveret.routing.erlang import erlang_term

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from leveret.properties import FieldValue

__all__ = ["Policies", "Policy"]

#: Where both kinds of policy set one of these, the smaller holds (`rabbit_policies`).
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

_APPLY_TO = ("all", "queues", "exchanges", "classic_queues", "quorum_queues", "streams")


def _limit(least: int) -> Callable[[FieldValue], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= least


def _text(value: FieldValue) -> bool:
    return isinstance(value, str)


def _one_of(*allowed: str) -> Callable[[FieldValue], bool]:
    return lambda value: isinstance(value, str) and value in allowed


#: Policy key -> (what it is called in a refusal, what it takes): `rabbit_policies`.
_KEYS: dict[str, tuple[str, Callable[[FieldValue], bool]]] = {
    "alternate-exchange": ("alternate exchange name", _text),
    "dead-letter-exchange": ("dead letter exchange name", _text),
    "dead-letter-routing-key": ("dead letter routing key", _text),
    "dead-letter-strategy": ("dead letter strategy", _one_of("at-most-once", "at-least-once")),
    "message-ttl": ("message TTL", _limit(0)),
    "expires": ("queue expiry", _limit(1)),
    "max-length": ("maximum length", _limit(0)),
    "max-length-bytes": ("maximum length in bytes", _limit(0)),
    "max-in-memory-length": ("maximum memory in messages", _limit(0)),
    "max-in-memory-bytes": ("maximum memory in bytes", _limit(0)),
    "delivery-limit": ("delivery limit", _limit(0)),
    "overflow": ("overflow value", _one_of("drop-head", "reject-publish", "reject-publish-dlx")),
    "queue-mode": ("queue-mode value", _one_of("default", "lazy")),
    "queue-version": ("queue-version value", _limit(1)),
    "queue-master-locator": ("queue master locator", _text),
    "queue-leader-locator": ("queue leader locator", _text),
    "consumer-timeout": ("consumer timeout", _limit(0)),
    "delayed-retry-type": (
        "delayed retry type",
        _one_of("all", "returned", "failed", "disabled"),
    ),
    "delayed-retry-min": ("delayed retry minimum", _limit(0)),
    "delayed-retry-max": ("delayed retry maximum", _limit(0)),
}

#: Keys that RabbitMQ knows and that mean nothing on one node.
_IGNORED = ("ha-", "federation", "max-age", "stream-", "initial-cluster-size", "target-group-size")


def _check_definition(_: object, __: object, definition: Mapping[str, FieldValue]) -> None:
    if not definition:
        raise ValueError("no policy provided: the definition is empty")
    for key, value in definition.items():
        if key.startswith(_IGNORED):
            continue
        if key not in _KEYS:
            near = difflib.get_close_matches(key.replace("_", "-"), _KEYS, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise ValueError(f"'{key}' is not a recognised policy setting{hint}")
        what, accepts = _KEYS[key]
        if not accepts(value):
            raise ValueError(f"{erlang_term(value)} is not a valid {what}")


def _check_apply_to(_: object, __: object, value: str) -> None:
    if value not in _APPLY_TO:
        raise ValueError(f"apply_to is {value!r}; it takes one of {', '.join(_APPLY_TO)}")


@frozen
class Policy:
    """Settings for the resources of a virtual host whose names its pattern is found in.

    Raises:
        ValueError: the pattern is not a regular expression, `apply_to` is not a known kind, or
            the definition has a key or value that RabbitMQ refuses.

    """

    name: str
    pattern: str
    definition: Mapping[str, FieldValue] = field(validator=_check_definition)
    apply_to: Literal[
        "all", "queues", "exchanges", "classic_queues", "quorum_queues", "streams"
    ] = field(default="all", validator=_check_apply_to)
    priority: int = 0
    _compiled: re.Pattern[str] = field(init=False, eq=False, repr=False)

    @_compiled.default
    def _compile(self) -> re.Pattern[str]:
        try:
            return re.compile(self.pattern)
        except re.error as error:
            raise ValueError(
                f"the pattern of policy {self.name!r} is not a regular expression: {error}"
            ) from None

    def matches(self, kind: str, name: str) -> bool:
        """Say whether it applies to `name`; `kind` is `exchange`, `classic` or `quorum`."""
        whole = "exchanges" if kind == "exchange" else "queues"
        if self.apply_to not in ("all", whole, f"{kind}_queues"):
            return False
        return self._compiled.search(name) is not None


def _best(policies: Mapping[str, Policy], kind: str, name: str) -> Policy | None:
    found = [policy for policy in policies.values() if policy.matches(kind, name)]
    return max(found, key=lambda policy: policy.priority, default=None)


@define(eq=False)
class Policies:
    """The policies and operator policies of one virtual host."""

    # name -> policy
    policies: dict[str, Policy] = field(factory=dict, init=False)
    operator_policies: dict[str, Policy] = field(factory=dict, init=False)

    def definition(self, kind: str, name: str) -> dict[str, FieldValue]:
        """Return the merged definition in force for a resource.

        `kind` is `exchange`, or the queue type `classic` or `quorum`.
        """
        policy = _best(self.policies, kind, name)
        operator = _best(self.operator_policies, kind, name)
        merged: dict[str, FieldValue] = dict(policy.definition) if policy else {}
        for key, cap in operator.definition.items() if operator else ():
            value = merged.get(key)
            both = isinstance(value, int) and isinstance(cap, int)
            merged[key] = min(value, cap) if both and key in _SMALLER else cap  # type: ignore[type-var]
        return merged
