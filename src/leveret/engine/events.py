"""The stream of what happens in a broker, for whoever subscribes.

Names are those of RabbitMQ's event exchange where it has one (`queue.created`), and follow its
pattern where it has none (`message.expired`). An event is made only while somebody listens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Event", "Events"]


@frozen
class Event:
    """One thing that happened, at `time_ms` on the broker's clock, in a virtual host."""

    name: str
    time_ms: int
    virtual_host: str
    fields: Mapping[str, Any]


@define(eq=False)
class Events:
    """Subscribers to a broker's events. `active` is False while there are none."""

    active: bool = field(default=False, init=False)
    _subscribers: list[Callable[[Event], object]] = field(factory=list, init=False)

    def subscribe(self, call: Callable[[Event], object]) -> Callable[[], None]:
        """Have `call` hear every event from now on; return what ends the subscription.

        It hears an event while it happens, and must not call the broker from within.
        """
        self._subscribers.append(call)
        self.active = True

        def unsubscribe() -> None:
            if call in self._subscribers:
                self._subscribers.remove(call)
            self.active = bool(self._subscribers)

        return unsubscribe

    def emit(self, event: Event) -> None:
        """Tell every subscriber."""
        for call in list(self._subscribers):
            call(event)
