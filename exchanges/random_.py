"""The random exchange `x-random`: each message to one binding, drawn at random."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define

from leveret.exchanges.base import Envelope, Exchange, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection

    from leveret.routing import Binding


__all__ = ["RandomExchange"]


@define(eq=False)
class RandomExchange(Exchange):
    """Routes to one binding, each as likely as another, whatever the message.

    As in RabbitMQ's plugin the draw is among bindings: a queue bound twice, with two keys, is
    twice as likely.
    """

    type = "x-random"
    by_routing_key = False
    by_chance = True

    # The bindings again, to draw one by number; None after a change, until the next draw.
    _drawn_from: tuple[Binding, ...] | None = None

    def _compile(self, binding: Binding) -> None:
        self._drawn_from = None

    def _discard(self, binding: Binding) -> None:
        self._drawn_from = None

    def route(self, envelope: Envelope) -> Collection[Binding]:
        """Return one binding, drawn with the randomness handed in; no draw where one is bound."""
        drawn_from = self._drawn_from
        if drawn_from is None:
            drawn_from = self._drawn_from = tuple(self._bindings)
        if len(drawn_from) < 2:
            return drawn_from
        return (drawn_from[envelope.random.randrange(len(drawn_from))],)

    def candidates(self, envelope: Envelope) -> Collection[Binding]:
        """Return all bindings."""
        return self._bindings

    def explain(self, binding: Binding, envelope: Envelope) -> Verdict:
        """Any binding may be drawn."""
        count = len(self._bindings)
        return Verdict(True, "" if count == 1 else f"one chance in {count}")

    def label(self, binding: Binding) -> str:
        """Show nothing: the key of a binding has no meaning here."""
        return ""

    def note(self, envelope: Envelope) -> str:
        """Say that chance decides, where it does."""
        count = len(self._bindings)
        return f"one of {count} drawn at random" if count > 1 else ""
