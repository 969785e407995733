"""Policies: settings for whatever queues and exchanges a pattern matches.

One policy applies to a resource: of those that match, the one of highest priority; and one
operator policy beside it, which caps it (S100).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from attrs import define, field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

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


def _check_apply_to(_: object, __: object, value: str) -> None:
    if value not in _APPLY_TO:
        raise ValueError(f"apply_to is {value!r}; it takes one of {', '.join(_APPLY_TO)}")


@frozen
class Policy:
    """Settings for the resources of a virtual host whose names its pattern is found in.

    Raises:
        ValueError: the pattern is not a regular expression, or `apply_to` is not a known kind.

    """

    name: str
    pattern: str
    definition: Mapping[str, FieldValue]
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
