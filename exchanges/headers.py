"""The headers exchange: a binding's arguments take the messages whose headers agree (S50-S54)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from leveret.exchanges.base import BindingLimits, Envelope, Exchange, Verdict, printable
from leveret.exchanges.header_index import HeaderIndex
from leveret.routing import Binding, HeadersMatch

if TYPE_CHECKING:
    from collections.abc import Collection

    from leveret.properties import FieldValue

__all__ = ["HeadersExchange"]


@define(eq=False)
class HeadersExchange(Exchange):
    """Routes by comparing headers with the arguments of the bindings that an index finds.

    The cost follows the headers of the message and the bindings that share one of them.
    """

    type = "headers"
    by_routing_key = False

    _index: HeaderIndex = field(factory=HeaderIndex, init=False, repr=False)
    # binding -> its arguments, compiled
    _matches: dict[Binding, HeadersMatch] = field(factory=dict, init=False, repr=False)

    def validate_binding(self, binding: Binding, limits: BindingLimits) -> None:
        """Refuse an `x-match` that is not one of the four (S54)."""
        HeadersMatch.compile(binding.arguments)

    def _compile(self, binding: Binding) -> None:
        match = self._matches[binding] = HeadersMatch.compile(binding.arguments)
        self._index.add(binding, self._asked(binding), any_of=match.mode.startswith("any"))

    def _discard(self, binding: Binding) -> None:
        del self._matches[binding]
        self._index.remove(binding)

    def route(self, envelope: Envelope) -> Collection[Binding]:
        """Return the bindings whose arguments agree with the headers."""
        headers = envelope.headers
        matches = self._matches
        found = self._index.candidates(headers)
        return [binding for binding in found if matches[binding].matches(headers)]

    def explain(self, binding: Binding, envelope: Envelope) -> Verdict:
        """Name the first header that differs."""
        match = self._matches[binding]
        headers = envelope.headers
        if match.matches(headers):
            return Verdict(True)
        return Verdict(False, match.mismatch(headers))

    def distance(self, binding: Binding, envelope: Envelope) -> float:
        """Return the headers to change until it matches, roughly: 1 and True pass for equal."""
        match = self._matches[binding]
        headers = envelope.headers
        if match.matches(headers):
            return 0.0
        if match.mode.startswith("any"):
            return 1.0
        differ = sum(
            name not in headers or (value is not None and headers[name] != value)
            for name, value in self._asked(binding).items()
        )
        return float(max(differ, 1))

    def label(self, binding: Binding) -> str:
        """Show `x-match` and the headers asked for."""
        how = self._matches[binding].mode
        wanted = [
            printable(name) if value is None else f"{printable(name)}={value!r}"
            for name, value in self._asked(binding).items()
        ]
        return f"{how} of {', '.join(wanted)}" if wanted else f"{how} of no headers"

    def _asked(self, binding: Binding) -> dict[str, FieldValue]:
        """Return the arguments that name headers (S51)."""
        with_x = self._matches[binding].mode.endswith("-with-x")
        return {
            name: value
            for name, value in binding.arguments.items()
            if name != "x-match" and (with_x or not name.startswith("x-"))
        }

    def check(self) -> None:
        """Assert that exactly the bindings are compiled, and that the index is sound."""
        Exchange.check(self)
        assert self._matches.keys() == self._bindings.keys()
        self._index.check()
