"""The side that is leveret: in process, profile 3.10, on a clock that stands still."""

from __future__ import annotations

from typing import Any

from attrs import define, field

import leveret
from judge.side import Line, Side
from leveret.engine.permissions import Permission
from leveret.errors import ChannelClosedByBroker, ConnectionClosedByBroker

__all__ = ["LeveretSide", "make_broker"]


def make_broker(virtual_host: str, clock: leveret.ManualClock) -> leveret.Broker:
    """Make a broker that RabbitMQ is compared with."""
    broker = leveret.Broker(profile="3.10", clock=clock)
    broker.add_virtual_host(virtual_host)
    broker.users.set_permission("guest", virtual_host, Permission())
    return broker


@define(eq=False)
class LeveretSide(Side):
    """A broker of its own for each conversation."""

    virtual_host: str = "/"
    clock: leveret.ManualClock = field(factory=leveret.ManualClock, init=False)
    broker: Any = field(init=False)
    confirmed: dict[int, str] = field(factory=dict, init=False)  # id of a line -> last confirm
    channel_closed = ChannelClosedByBroker
    connection_closed = ConnectionClosedByBroker

    @broker.default
    def _new_broker(self) -> leveret.Broker:
        return make_broker(self.virtual_host, self.clock)

    def connect(self) -> Any:
        """Open a connection."""
        return self.broker.connect(self.virtual_host)

    def properties(self, values: dict[str, Any]) -> leveret.Properties:
        """Make leveret's properties object."""
        return leveret.Properties(**values)

    def publish(self, line: Line, arguments: dict[str, Any]) -> str:
        """Publish; a confirm has come, by callback, when the call returns."""
        line.channel.basic_publish(**arguments)
        return self.confirmed.pop(id(line), "no confirm") if line.confirms else ""

    def _do_confirm_delivery(self, line: Line, arguments: dict[str, Any]) -> None:
        def on_confirm(_: int, __: bool, acked: bool) -> None:
            self.confirmed[id(line)] = "acked" if acked else "nacked"

        line.channel.confirm_delivery(None if line.confirms else on_confirm)
        line.confirms = True

    def listen(self, line: Line) -> None:
        """Have returns and cancels noted down."""
        line.channel.add_on_return_callback(
            lambda _, method, properties, body: self.note_return(line, method, properties, body)
        )
        line.channel.add_on_cancel_callback(lambda tag: self.note_cancel(line, tag))

    def wait(self, ms: int) -> None:
        """Move the clock."""
        self.clock.advance(ms=ms)

    def barrier(self, line: Line) -> None:
        """Do nothing: a call returns when it has been carried out."""

    def pump(self, seconds: float) -> None:
        """Do nothing: whatever a call sets off has happened when it returns."""
