"""Policies: settings for whatever queues and exchanges a pattern matches.

One policy applies to a resource: of those that match, the one of highest priority; and one
operator policy beside it, which caps it (S100).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from attrs import Factory, define, field, frozen

from leveret.queues.policy_keys import IGNORED_POLICY_KEYS, POLICY_KEYS, merge_definitions
from leveret.routing.erlang import erlang_term

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leveret.properties import FieldValue

__all__ = ["Policies", "Policy"]

_APPLY_TO = ("all", "queues", "exchanges", "classic_queues", "quorum_queues", "streams")


def _check_definition(_: object, __: object, definition: Mapping[str, FieldValue]) -> None:
    if not definition:
        raise ValueError("no policy provided: the definition is empty")
    for key, value in definition.items():
        if key.startswith(IGNORED_POLICY_KEYS):
            continue
        if key not in POLICY_KEYS:
            import difflib

            near = difflib.get_close_matches(key.replace("_", "-"), POLICY_KEYS, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise ValueError(f"'{key}' is not a recognised policy setting{hint}")
        if not POLICY_KEYS[key].accepts(value):
            raise ValueError(f"{erlang_term(value)} is not a valid {POLICY_KEYS[key].called}")


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
    _compiled: re.Pattern[str] = field(
        default=Factory(lambda self: self._compile(), takes_self=True),
        init=False,
        eq=False,
        repr=False,
    )

    def _compile(self) -> re.Pattern[str]:
        try:
            return re.compile(self.pattern)
        except re.error as error:
            raise ValueError(
                f"the pattern of policy {self.name!r} is not a regular expression: {error}"
            ) from None

    def matches(self, kind: str, name: str) -> bool:
        """Say whether it applies to `name`; `kind` is `exchange` or a queue type."""
        whole = "exchanges" if kind == "exchange" else "queues"
        own = "streams" if kind == "stream" else f"{kind}_queues"
        if self.apply_to not in ("all", whole, own):
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

        `kind` is `exchange`, or the queue type `classic`, `quorum` or `stream`.
        """
        policy = _best(self.policies, kind, name)
        operator = _best(self.operator_policies, kind, name)
        return merge_definitions(
            policy.definition if policy else {}, operator.definition if operator else {}
        )
