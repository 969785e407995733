"""Bindings, and the table that finds them by either end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from attrs import define, field, frozen

from leveret.routing.values import table_form

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping

    from leveret.properties import FieldTable, FieldValue

__all__ = ["Binding", "BindingTable", "DestinationType"]

DestinationType: TypeAlias = Literal["queue", "exchange"]


def _copy(arguments: FieldTable | None) -> Mapping[str, FieldValue]:
    return dict(arguments or {})


@frozen(eq=False)
class Binding:
    """What leads messages from an exchange to a queue or another exchange.

    Two bindings are the same when source, destination, its type, routing key and arguments are
    (S32). The order of arguments and the width of an integer do not count; 1, True, 1.0 and "1"
    differ. `arguments` are kept as they were given.

    Raises:
        TypeError: an argument has a value that AMQP does not know.

    """

    source: str
    destination: str
    routing_key: str = ""
    destination_type: DestinationType = "queue"
    arguments: Mapping[str, FieldValue] = field(default=None, converter=_copy)
    _identity: tuple[Hashable, ...] = field(init=False, repr=False)
    # Kept, since a table looks a binding up in three dictionaries.
    _hash: int = field(init=False, repr=False)

    @_identity.default
    def _make_identity(self) -> tuple[Hashable, ...]:
        return (
            self.source,
            self.destination,
            self.routing_key,
            self.destination_type,
            table_form(self.arguments) if self.arguments else (),
        )

    @_hash.default
    def _make_hash(self) -> int:
        return hash(self._identity)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Binding):
            return NotImplemented
        return self._hash == other._hash and self._identity == other._identity

    def __hash__(self) -> int:
        return self._hash


@define(eq=False)
class BindingTable:
    """All bindings of a virtual host, in the order they were made.

    `add`, `remove` and `in` cost O(1). `from_source`, `to_destination` and the two `drop_`
    methods cost by the bindings they return, whatever else the table holds.
    """

    # A dictionary without values is a set that keeps its order.
    _bindings: dict[Binding, None] = field(factory=dict, init=False)
    # source -> its bindings
    _by_source: dict[str, dict[Binding, None]] = field(factory=dict, init=False)
    # (destination type, destination) -> its bindings
    _by_destination: dict[tuple[str, str], dict[Binding, None]] = field(factory=dict, init=False)

    def add(self, binding: Binding) -> bool:
        """Add a binding; False when it was there already, which changes nothing (S32)."""
        if binding in self._bindings:
            return False
        self._bindings[binding] = None
        self._by_source.setdefault(binding.source, {})[binding] = None
        self._by_destination.setdefault(_end(binding), {})[binding] = None
        return True

    def remove(self, binding: Binding) -> bool:
        """Remove a binding; False when there is none such (S28)."""
        if binding not in self._bindings:
            return False
        del self._bindings[binding]
        _discard(self._by_source, binding.source, binding)
        _discard(self._by_destination, _end(binding), binding)
        return True

    def from_source(self, name: str) -> tuple[Binding, ...]:
        """Return the bindings of which an exchange is the source, oldest first."""
        return tuple(self._by_source.get(name, ()))

    def to_destination(self, destination_type: DestinationType, name: str) -> tuple[Binding, ...]:
        """Return the bindings that lead to a queue or an exchange, oldest first."""
        return tuple(self._by_destination.get((destination_type, name), ()))

    def drop_source(self, name: str) -> tuple[Binding, ...]:
        """Remove and return the bindings of which an exchange is the source."""
        return self._drop(self.from_source(name))

    def drop_destination(self, destination_type: DestinationType, name: str) -> tuple[Binding, ...]:
        """Remove and return the bindings that lead to a queue or an exchange."""
        return self._drop(self.to_destination(destination_type, name))

    def has_source(self, name: str) -> bool:
        """Say whether an exchange is the source of any binding (S31, S35)."""
        return name in self._by_source

    def __contains__(self, binding: object) -> bool:
        return binding in self._bindings

    def __iter__(self) -> Iterator[Binding]:
        return iter(self._bindings)

    def __len__(self) -> int:
        return len(self._bindings)

    def check(self) -> None:
        """Assert that both indexes hold exactly the bindings of the table, in its order."""
        order = {binding: i for i, binding in enumerate(self._bindings)}
        for end, index in (
            (lambda binding: binding.source, self._by_source),
            (_end, self._by_destination),
        ):
            assert sum(map(len, index.values())) == len(order)
            for name, bindings in index.items():
                assert bindings, f"nothing is left under {name!r}"
                assert all(end(binding) == name for binding in bindings)
                places = [order[binding] for binding in bindings]
                assert places == sorted(places)

    def _drop(self, bindings: tuple[Binding, ...]) -> tuple[Binding, ...]:
        for binding in bindings:
            self.remove(binding)
        return bindings


def _end(binding: Binding) -> tuple[str, str]:
    return binding.destination_type, binding.destination


def _discard(index: dict[Any, dict[Binding, None]], name: Hashable, binding: Binding) -> None:
    bindings = index[name]
    del bindings[binding]
    if not bindings:
        del index[name]
