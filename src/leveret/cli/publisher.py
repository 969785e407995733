"""Publishes written messages through a broker and keeps count of where they went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from attrs import define, field

from leveret.broker import Broker
from leveret.cli.fields import nearest
from leveret.cli.report import QueueReport, RunReport, UnroutableReport
from leveret.engine import Channel
from leveret.errors import AMQPError, Fault, NotFound

if TYPE_CHECKING:
    from leveret.cli.messages import BadLine, WrittenMessage

__all__ = ["Publisher"]


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
        """Take the messages out of `queues` and return what was counted; ends the run."""
        unroutable = self._unroutable.total()
        return RunReport(
            lines=self._lines,
            routed=self._routed,
            unroutable=unroutable,
            refused=self._lines - self._routed - unroutable,
            queues=tuple(self._drain(name) for name in queues),
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
        if isinstance(error, NotFound) and message.exchange not in self.exchanges:
            remedy = nearest(message.exchange, self.exchanges)
            field_at_fault = "exchange"
        else:
            remedy = "RabbitMQ would close the channel: correct the message, or the topology."
            field_at_fault = ""
        text = f"{error.reply_code} {error.reply_text}"
        fault = message.fault(text, remedy, field_at_fault)
        self._faults.append(fault)
        return fault

    def _drain(self, queue: str) -> QueueReport:
        keys: list[str] = []
        body_bytes = dead_lettered = 0
        channel = self._open_channel()
        while (got := channel.basic_get(queue, auto_ack=True))[0] is not None:
            method, properties, body = got
            keys.append(method.routing_key)
            body_bytes += len(body)
            dead_lettered += "x-death" in (properties.headers or {})
        return QueueReport(
            queue=queue,
            messages=len(keys),
            bytes=body_bytes,
            dead_lettered=dead_lettered,
            first_routing_key=keys[0] if keys else None,
            last_routing_key=keys[-1] if keys else None,
        )
