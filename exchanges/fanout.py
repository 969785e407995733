"""The fanout exchange: every binding takes every message, whatever the routing key (S55)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define

from leveret.exchanges.base import Envelope, Exchange, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection

    from leveret.routing import Binding

__all__ = ["FanoutExchange"]


@define(eq=False)
class FanoutExchange(Exchange):
    """Routes to everything bound."""

    type = "fanout"

    def route(self, envelope: Envelope) -> Collection[Binding]:
        """Return all bindings."""
        return self._bindings

    def explain(self, binding: Binding, envelope: Envelope) -> Verdict:
        """Every binding matches."""
        return Verdict(True)

    def label(self, binding: Binding) -> str:
        """Show nothing: the key of a binding has no meaning here."""
        return ""
