"""Publishes written messages through a broker and keeps count of where they went."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from attrs import define, field

from leveret.cli.fields import nearest
from leveret.cli.report import QueueReport, RunReport, UnroutableReport
from leveret.errors import AccessRefused, AMQPError, Fault, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leveret.broker import Broker
    from leveret.cli.messages import BadLine, WrittenMessage
    from leveret.engine import Channel

__all__ = ["Publisher"]

# a word of a refusal -> the path of the field it is about
_FIELDS_BY_WORD = {
    "expiration": ("properties", "expiration"),
    "user_id": ("properties", "user_id"),
    '"CC"': ("headers", "CC"),
    '"BCC"': ("headers", "BCC"),
}


@define
class Publisher:
    """One channel's worth of publishing, with the counts that a `RunReport` is made of.

    `exchanges` names those of the topology: a message to another one gets the nearest as advice.
    """

    broker: Broker
    exchanges: Sequence[str]
    _channel: Channel | None = field(default=None, init=False)
    _returned: bool = field(default=False, init=False)
    _lines: int = field(default=0, init=False)
    _routed: int = field(default=0, init=False)
    _unroutable: Counter[tuple[str, str]] = field(factory=Counter, init=False)
    _faults: list[Fault] = field(factory=list, init=False)

    def refuse(self, bad: BadLine) -> None:
        """Count a line that holds no message."""
        self._lines += 1
        self._faults.extend(bad.faults)

    def publish(self, message: WrittenMessage) -> Fault | None:
        """Publish one message; return the broker's refusal, if it refused.

        It is published as mandatory, so that the broker says when it reached no queue (S57).
        """
        self._lines += 1
        self._returned = False
        try:
            self._open_channel().basic_publish(
                message.exchange,
                message.routing_key,
                message.body,
                message.properties,
                mandatory=True,
            )
        except AMQPError as error:
            self._channel = None  # the error has closed it, as RabbitMQ does
            return self._refused(message, error)
        if self._returned:
            self._unroutable[message.exchange, message.routing_key] += 1
        else:
            self._routed += 1
        return None

    def report(self, queues: Sequence[str]) -> RunReport:
        """Return what was counted, and what `queues` hold in the order of their delivery."""
        unroutable = self._unroutable.total()
        return RunReport(
            lines=self._lines,
            routed=self._routed,
            unroutable=unroutable,
            refused=self._lines - self._routed - unroutable,
            queues=tuple(self._look_into(name) for name in queues),
            unroutable_keys=tuple(
                UnroutableReport(exchange, key, count)
                for (exchange, key), count in self._unroutable.items()
            ),
            faults=tuple(self._faults),
        )

    def _open_channel(self) -> Channel:
        if self._channel is None:
            self._channel = self.broker.channel()
            self._channel.add_on_return_callback(self._on_return)
        return self._channel

    def _on_return(self, *_: object) -> None:
        self._returned = True

    def _refused(self, message: WrittenMessage, error: AMQPError) -> Fault:
        remedy = "RabbitMQ would close the channel: correct the message, or the topology."
        if isinstance(error, NotFound):
            remedy = nearest(message.exchange, self.exchanges) or remedy
        text = f"{error.reply_code} {error.reply_text}"
        fault = message.fault(text, remedy, _field_at_fault(error))
        self._faults.append(fault)
        return fault

    def _look_into(self, name: str) -> QueueReport:
        queue = self.broker.virtual_hosts["/"].queues[name]
        messages = [entry.message for entry in queue.ready]
        return QueueReport(
            queue=name,
            messages=len(messages),
            bytes=sum(len(message.body) for message in messages),
            dead_lettered=sum("x-death" in (m.properties.headers or ()) for m in messages),
            first_routing_key=messages[0].routing_key if messages else None,
            last_routing_key=messages[-1].routing_key if messages else None,
        )


def _field_at_fault(error: AMQPError) -> tuple[str, ...]:
    """Return the path of what a refused message says wrong, as far as the refusal tells."""
    if isinstance(error, NotFound | AccessRefused):
        return ("exchange",)
    for word, path in _FIELDS_BY_WORD.items():
        if word in error.text:
            return path
    return ()
