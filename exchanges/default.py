"""The default exchange `""`: every queue is reachable through it by its name (S24)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define

from leveret.errors import AccessRefused
from leveret.exchanges.direct import DirectExchange
from leveret.routing import Binding

if TYPE_CHECKING:
    from collections.abc import Collection

    from leveret.exchanges.base import BindingLimits, Envelope

__all__ = ["DefaultExchange"]


@define(eq=False)
class DefaultExchange(DirectExchange):
    """The direct exchange without a name, whose bindings are implied by the queues that exist.

    It is walked only when published to. Reached as an alternate exchange it finds nothing, since
    RabbitMQ keeps no bindings for it (`rabbit_exchange:route/3` looks up queues by name only for
    what is published to it); its own alternate exchange is ignored (S38).
    """

    name: str = ""

    def validate_binding(self, binding: Binding, limits: BindingLimits) -> None:
        """Refuse every binding (S23)."""
        raise AccessRefused("operation not permitted on the default exchange")

    def route(self, envelope: Envelope) -> Collection[Binding]:
        """Return one implied binding for each routing key."""
        return [Binding("", key, key) for key in dict.fromkeys(envelope.routing_keys)]
