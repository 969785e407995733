"""What it takes to make one topology of another: `topology.diff(other)` and `leveret diff`.

The first is what is wanted, the second what is there. RabbitMQ changes policies, users and
permissions in place, but never an exchange, a queue or a binding: those are deleted and made anew,
which costs messages and bindings. Both sides are compared as RabbitMQ's definitions, so that what
a topology merely keeps for RabbitMQ is compared too.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from attrs import frozen

if TYPE_CHECKING:
    from leveret.config.model import Topology
    from leveret.errors import Position

__all__ = ["ACTIONS", "Action", "Aspect", "Change", "Difference", "SuggestedPolicy", "diff"]

Action: TypeAlias = Literal["create", "update", "recreate", "replace", "extra"]

#: Action -> what it means.
ACTIONS: dict[Action, str] = {
    "create": "it is not there yet",
    "update": "it is changed in place",
    "recreate": "it is deleted and made anew",
    "replace": "the new one is made, then the old one deleted",
    "extra": "it is not wanted; deleted only when asked and owned",
}


@frozen
class Aspect:
    """One thing in which an object differs; None where a side does not say it."""

    name: str
    wanted: Any
    present: Any

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON's own types."""
        return {"name": self.name, "wanted": self.wanted, "present": self.present}


@frozen
class SuggestedPolicy:
    """A policy that says what an argument says, and that can be changed at any time."""

    name: str
    pattern: str
    apply_to: str
    priority: int
    definition: dict[str, Any]  # policy key -> value
    #: Whether it takes effect as things are; else the argument would stand in its way.
    suffices: bool

    def to_dict(self) -> dict[str, Any]:
        """Return it as definitions have it, and whether it suffices."""
        return {
            "name": self.name,
            "pattern": self.pattern,
            "apply-to": self.apply_to,
            "priority": self.priority,
            "definition": self.definition,
            "suffices": self.suffices,
        }


@frozen
class Change:
    """One object that differs, what must be done to it, and what that costs."""

    action: Action
    #: As RabbitMQ calls it: exchange, queue, binding, policy, user…
    kind: str
    #: None where the object is the whole broker's.
    virtual_host: str | None
    name: str
    differences: tuple[Aspect, ...] = ()
    reason: str = ""
    #: What is lost on the way, a line each.
    costs: tuple[str, ...] = ()
    #: The bindings that go with it and must be made again, or go for good.
    bindings_lost: tuple[str, ...] = ()
    policy: SuggestedPolicy | None = None
    #: Where the wanted object stands; None if it is not in a topology file.
    position: Position | None = None

    @property
    def loses_messages(self) -> bool:
        """Whether messages that are in a queue go with it."""
        return self.kind == "queue" and self.action in ("recreate", "extra")

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON's own types."""
        return {
            "action": self.action,
            "kind": self.kind,
            "virtual_host": self.virtual_host,
            "name": self.name,
            "differences": [aspect.to_dict() for aspect in self.differences],
            "reason": self.reason,
            "costs": list(self.costs),
            "loses_messages": self.loses_messages,
            "bindings_lost": list(self.bindings_lost),
            "policy": None if self.policy is None else self.policy.to_dict(),
            "place": None if self.position is None else str(self.position),
        }


@frozen
class Difference:
    """All changes that make what is there what is wanted; false if there are none."""

    wanted: str
    present: str
    changes: tuple[Change, ...]

    def __bool__(self) -> bool:
        return bool(self.changes)

    def of(self, action: Action) -> tuple[Change, ...]:
        """Return the changes of one class."""
        return tuple(change for change in self.changes if change.action == action)

    def counts(self) -> dict[Action, int]:
        """Return action -> how many objects it is for."""
        counted = Counter(change.action for change in self.changes)
        return {action: counted[action] for action in ACTIONS}

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as JSON's own types."""
        return {
            "wanted": self.wanted,
            "present": self.present,
            "summary": self.counts(),
            "changes": [change.to_dict() for change in self.changes],
        }

    def __str__(self) -> str:
        from leveret.config.diff_text import difference_text

        return difference_text(self)


def diff(wanted: Topology, present: Topology) -> Difference:
    """Return what makes `present` into `wanted`, object by object."""
    from leveret.config.diff_objects import compare

    return Difference(wanted.file, present.file, tuple(compare(wanted, present)))
