"""Why a message went where it went, and why it did not go elsewhere: values that say so.

A trace is a snapshot: it stays as it is when the topology changes. `str(trace)` draws it as a
tree, `to_dict()` and `to_json()` give all of it to machines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leveret.properties import FieldValue
    from leveret.routing import Binding

__all__ = ["Considered", "Leg", "RouteTrace", "Visit"]


#: One leg of a path: the exchange it leaves, and the binding taken; None for its alternate.
Leg: TypeAlias = "tuple[str, Binding | None]"


@frozen
class Considered:
    """One binding looked at for the message."""

    binding: Binding
    matched: bool
    #: Why, or why not; empty where nothing needs saying.
    reason: str
    #: What the binding asks for, in a few words.
    label: str

    def to_dict(self) -> dict[str, Any]:
        """Return the binding with the verdict on it."""
        return _binding_dict(self.binding) | {"matched": self.matched, "reason": self.reason}


@frozen
class Visit:
    """One exchange that the message came to, and what became of it there."""

    exchange: str
    type: str
    #: The exchange it came from; None where it was published.
    source: str | None
    #: The binding it came by; None where it was published, or came to an alternate exchange.
    binding: Binding | None
    #: One of the bindings that match is drawn.
    by_chance: bool
    #: What was decided for the exchange as a whole, such as the value hashed.
    note: str
    #: Every binding of the exchange, in the order in which they were bound.
    considered: tuple[Considered, ...]
    #: The misses that came closest, the closest first; not all of them.
    nearest: tuple[Considered, ...]
    #: The alternate exchange asked since nothing matched; it may not exist.
    alternate: str | None
    #: Exchanges that it led to and that had been visited before: here a cycle, or a doubled path,
    #: was cut.
    cut: tuple[str, ...]

    @property
    def matched(self) -> bool:
        """Whether a binding took the message, or might by chance."""
        return any(considered.matched for considered in self.considered)

    def to_dict(self) -> dict[str, Any]:
        """Return all of it, with every binding considered."""
        return {
            "exchange": self.exchange,
            "type": self.type,
            "source": self.source,
            "as_alternate": self.source is not None and self.binding is None,
            "binding": None if self.binding is None else _binding_dict(self.binding),
            "by_chance": self.by_chance,
            "note": self.note,
            "bindings": [considered.to_dict() for considered in self.considered],
            "nearest_misses": [considered.to_dict() for considered in self.nearest],
            "alternate": self.alternate,
            "cut": list(self.cut),
        }


@frozen
class RouteTrace:
    """The route of one message through one topology, with the reasons."""

    exchange: str
    #: The published key, then those of CC and BCC.
    routing_keys: tuple[str, ...]
    headers: Mapping[str, FieldValue]
    #: Each exchange that the message came to, nearest first.
    visits: tuple[Visit, ...]
    #: The queues that get the message for certain, in the order of `Router.route`.
    queues: tuple[str, ...]
    #: The queues that get it or not by chance (`x-random`).
    possible: tuple[str, ...]
    #: Queue -> the legs of the first path to it.
    paths: Mapping[str, tuple[Leg, ...]] = field(repr=False)

    @property
    def unroutable(self) -> bool:
        """Whether no queue gets the message, not even by chance."""
        return not self.queues and not self.possible

    def visit(self, exchange: str) -> Visit | None:
        """Return what happened at an exchange; None if the message did not come there."""
        return next((visit for visit in self.visits if visit.exchange == exchange), None)

    def to_dict(self) -> dict[str, Any]:
        """Return the whole trace as plain dicts, lists, strings; header values as they are."""
        return {
            "exchange": self.exchange,
            "routing_keys": list(self.routing_keys),
            "headers": dict(self.headers),
            "unroutable": self.unroutable,
            "queues": list(self.queues),
            "possible_queues": list(self.possible),
            "paths": {
                queue: [
                    {
                        "exchange": exchange,
                        "by": "alternate" if binding is None else "binding",
                        "binding": None if binding is None else _binding_dict(binding),
                    }
                    for exchange, binding in path
                ]
                for queue, path in self.paths.items()
            },
            "visits": [visit.to_dict() for visit in self.visits],
        }

    def to_json(self, *, indent: int | None = None) -> str:
        """Return `to_dict()` as JSON; what JSON cannot say (bytes, times) becomes text."""
        import json

        return json.dumps(self.to_dict(), indent=indent, default=_as_text)

    def __str__(self) -> str:
        from leveret.exchanges.trace_text import draw

        return draw(self)


def _binding_dict(binding: Binding) -> dict[str, Any]:
    return {
        "source": binding.source,
        "destination_type": binding.destination_type,
        "destination": binding.destination,
        "routing_key": binding.routing_key,
        "arguments": dict(binding.arguments),
    }


def _as_text(value: object) -> str:
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("utf-8", "backslashreplace")
    return str(value)
