"""The exchange types that there are, by name, open to types from elsewhere."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Self

from attrs import define, field

from leveret.errors import PreconditionFailed
from leveret.exchanges.base import Exchange
from leveret.exchanges.consistent_hash import ConsistentHashExchange
from leveret.exchanges.delayed import DelayedExchange
from leveret.exchanges.direct import DirectExchange
from leveret.exchanges.fanout import FanoutExchange
from leveret.exchanges.headers import HeadersExchange
from leveret.exchanges.message_deduplication import MessageDeduplicationExchange
from leveret.exchanges.random_ import RandomExchange
from leveret.exchanges.topic import TopicExchange

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leveret.properties import FieldValue

__all__ = ["BUILT_IN_TYPES", "ENTRY_POINT_GROUP", "ExchangeTypes"]

BUILT_IN_TYPES: tuple[type[Exchange], ...] = (
    DirectExchange,
    FanoutExchange,
    TopicExchange,
    HeadersExchange,
    ConsistentHashExchange,
    RandomExchange,
    DelayedExchange,
    MessageDeduplicationExchange,
)
#: Where an installed package names its exchange types: `my-type = my_package:MyExchange`.
ENTRY_POINT_GROUP = "leveret.exchanges"


@define(eq=False)
class ExchangeTypes:
    """Names of exchange types and the classes behind them; the built-in ones at first."""

    # type name -> class
    _classes: dict[str, type[Exchange]] = field(
        factory=lambda: {cls.type: cls for cls in BUILT_IN_TYPES}, init=False
    )
    # What installed packages name is to be looked for, once something is not here.
    _looks_further: bool = field(default=False, init=False)

    @classmethod
    def installed(cls) -> ExchangeTypes:
        """Return the built-in types, and those that installed packages name beside them.

        Packages are looked through, which takes 10 ms, when a type is asked for that is not
        built in; that may raise what `load_entry_points` raises.
        """
        types = cls()
        types._looks_further = True
        return types

    @property
    def names(self) -> tuple[str, ...]:
        """The names that exchange.declare may use, in the order of registration."""
        self._look_further()
        return tuple(self._classes)

    def __contains__(self, type_name: object) -> bool:
        return isinstance(type_name, str) and self._find(type_name) is not None

    def _find(self, type_name: str) -> type[Exchange] | None:
        if type_name not in self._classes:
            self._look_further()
        return self._classes.get(type_name)

    def _look_further(self) -> None:
        if self._looks_further:
            self._looks_further = False
            for name, found in _installed().items():
                self._classes.setdefault(name, found)

    def register(self, cls: type[Exchange]) -> None:
        """Add an exchange type under its `type`, in place of one of the same name.

        Raises:
            TypeError: `cls` is not a subclass of `Exchange` that sets `type`.

        """
        if not (isinstance(cls, type) and issubclass(cls, Exchange) and hasattr(cls, "type")):
            raise TypeError(f"{cls!r} is not a subclass of leveret.exchanges.Exchange with a type")
        self._classes[cls.type] = cls

    def load_entry_points(self) -> Self:
        """Register the types that installed packages name; return the registry.

        Raises:
            TypeError: an entry point leads to something that is not an exchange type.

        """
        from importlib.metadata import entry_points

        for entry_point in entry_points(group=ENTRY_POINT_GROUP):
            self.register(entry_point.load())
        return self

    def create(
        self,
        type_name: str,
        name: str,
        *,
        durable: bool = True,
        auto_delete: bool = False,
        internal: bool = False,
        arguments: Mapping[str, FieldValue] | None = None,
        virtual_host: str = "/",
    ) -> Exchange:
        """Make an exchange; its virtual host is only named in refusals.

        Raises:
            PreconditionFailed: the type is unknown (S14), or the arguments are refused.

        """
        cls = self._find(type_name)
        if cls is None:
            raise PreconditionFailed(f"unknown exchange type '{type_name}'")
        exchange = cls(name, durable, auto_delete, internal, arguments or {})
        exchange.validate_arguments(virtual_host)
        if isinstance(exchange, DelayedExchange):
            exchange.underlying = self.create(
                exchange.delayed_type, name, arguments=arguments, virtual_host=virtual_host
            )
        return exchange


@functools.cache
def _installed() -> dict[str, type[Exchange]]:
    return ExchangeTypes().load_entry_points()._classes
