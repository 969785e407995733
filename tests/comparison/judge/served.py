"""The side that is leveret over the wire: served by a thread, through pika, on a manual clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from judge.inprocess import make_broker
from judge.rabbitmq import RabbitMQSide
from leveret import ManualClock

if TYPE_CHECKING:
    from leveret.server.background import RunningServer

__all__ = ["ServedSide"]


@define(eq=False)
class ServedSide(RabbitMQSide):
    """A broker of its own for each conversation, on a server that serves them all in turn."""

    server: RunningServer = field(kw_only=True)
    virtual_host: str = field(kw_only=True)
    clock: ManualClock = field(factory=ManualClock, init=False)

    def __attrs_post_init__(self) -> None:
        self.server.serve_instead(make_broker(self.virtual_host, self.clock))

    def pump(self, seconds: float) -> None:
        """Take in all that the broker has to tell by now.

        It is at rest after each call, with what came of it written: an answer behind it on the
        same connection is all there is to wait for.
        """
        for name, line in list(self.lines.items()):
            if line.channel.is_open:
                self.line(f"{name[0]}0").channel.exchange_declare("amq.direct", passive=True)
        super().pump(0)

    def wait(self, ms: int) -> None:
        """Move the clock."""
        with self.server.lock:
            self.clock.advance(ms=ms)
