"""The delayed exchange `x-delayed-message`: it routes by another type, and later where asked to.

The argument `x-delayed-type` names the type it routes by. A message whose header `x-delay` is a
number of milliseconds is held back for that time (by whoever routes: see `Router`), and then
routed by the bindings of then. Rules and texts are those of RabbitMQ's plugin
(`rabbit_exchange_type_delayed_message.erl`), but for the alternate exchange: the plugin sends a
copy there at once of each message that it delays; here the alternate is asked when the time comes.
"""

from __future__ import annotations

import decimal
import re
from typing import TYPE_CHECKING

from attrs import define, field

from leveret.errors import PreconditionFailed
from leveret.exchanges.base import BindingLimits, Envelope, Exchange, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection

    from leveret.properties import FieldTable, FieldValue
    from leveret.routing import Binding

__all__ = ["DELAYED_TYPE", "DELAY_HEADER", "MAX_DELAY_MS", "DelayedExchange", "requested_delay_ms"]

DELAY_HEADER = "x-delay"
DELAYED_TYPE = "x-delayed-type"
#: The longest delay, some 49 days: what an Erlang timer takes. What asks for more is not delayed.
MAX_DELAY_MS = 4_294_967_295

_INTEGER = re.compile(r"[+-]?[0-9]{1,20}", re.ASCII)


def requested_delay_ms(headers: FieldTable) -> int | None:
    """Return what the header `x-delay` says, in milliseconds; None where it says no number.

    A float is cut to its whole number and a text is read as one, as the plugin does. The plugin
    fails on a text that is no number; here such a message is not delayed.
    """
    value: FieldValue = headers.get(DELAY_HEADER)
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str):
        return int(value) if _INTEGER.fullmatch(value) else None
    if isinstance(value, float | decimal.Decimal):
        try:
            return int(value)
        except (ValueError, OverflowError):
            return None
    return None


@define(eq=False)
class DelayedExchange(Exchange):
    """Routes as an exchange of another type does, at the cost of that one and a look at a header.

    Its routes are not remembered, since a header may say otherwise.
    """

    type = "x-delayed-message"
    by_routing_key = False
    delays = True

    #: The exchange that knows the bindings and how to route by them.
    underlying: Exchange = field(init=False, repr=False)

    @property
    def delayed_type(self) -> str:
        """The type it routes by.

        Raises:
            PreconditionFailed: the arguments name none.

        """
        named = self.arguments.get(DELAYED_TYPE)
        if named == self.type:
            raise PreconditionFailed(
                f"Invalid argument, '{self.type}' can't be used for '{DELAYED_TYPE}'"
            )
        if not isinstance(named, str):
            raise PreconditionFailed(
                f"Invalid argument, '{DELAYED_TYPE}' must be an existing exchange type"
            )
        return named

    @property
    def routes_as(self) -> str:
        """The type whose rules decide about bindings."""
        return self.underlying.routes_as

    # Known when it is declared, where others know it by their class.
    @property
    def by_chance(self) -> bool:  # type: ignore[override]
        """Whether the underlying type draws."""
        return self.underlying.by_chance

    def held_ms(self, envelope: Envelope) -> int:
        """Return for how many milliseconds a message is held back; 0 for not at all."""
        delay_ms = requested_delay_ms(envelope.headers)
        return delay_ms if delay_ms is not None and 0 < delay_ms <= MAX_DELAY_MS else 0

    def validate_binding(self, binding: Binding, limits: BindingLimits) -> None:
        """Refuse what the underlying type refuses."""
        self.underlying.validate_binding(binding, limits)

    def _compile(self, binding: Binding) -> None:
        self.underlying.bind(binding)

    def _discard(self, binding: Binding) -> None:
        self.underlying.unbind(binding)

    def route(self, envelope: Envelope) -> Collection[Binding]:
        """Return the bindings that take a message now: none where it is held back."""
        return () if self.held_ms(envelope) else self.underlying.route(envelope)

    def candidates(self, envelope: Envelope) -> Collection[Binding]:
        """Return the bindings that a message takes now, or, as things stand, when it is due."""
        return self.underlying.candidates(envelope)

    def explain(self, binding: Binding, envelope: Envelope) -> Verdict:
        """Say what the underlying type says."""
        return self.underlying.explain(binding, envelope)

    def distance(self, binding: Binding, envelope: Envelope) -> float:
        """Say what the underlying type says."""
        return self.underlying.distance(binding, envelope)

    def label(self, binding: Binding) -> str:
        """Show what the underlying type shows."""
        return self.underlying.label(binding)

    def note(self, envelope: Envelope) -> str:
        """Name the underlying type, and say for how long a message is held back."""
        held_ms = self.held_ms(envelope)
        when = f"held back for {held_ms:,} ms, then routed" if held_ms else "routed"
        note = self.underlying.note(envelope)
        return f"{when} as {self.routes_as}{f', {note}' if note else ''}"

    def check(self) -> None:
        """Assert that the underlying exchange has the same bindings."""
        Exchange.check(self)
        self.underlying.check()
        assert list(self.underlying.bindings) == list(self.bindings)
