"""The side that is RabbitMQ, through pika."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

import pika
import pika.exceptions
from attrs import define, field

from judge.side import Line, Side

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["RabbitMQSide"]

# There from the start in every virtual host; declaring it passively changes nothing.
KNOWN_EXCHANGE = "amq.direct"


@define(eq=False)
class RabbitMQSide(Side):
    """A node reached over TCP. Names get a prefix, so that conversations do not meet."""

    url: str = field(kw_only=True)
    channel_closed = pika.exceptions.ChannelClosedByBroker
    connection_closed = pika.exceptions.ConnectionClosedByBroker

    def connect(self) -> pika.BlockingConnection:
        """Open a connection."""
        parameters = pika.URLParameters(self.url)
        parameters.heartbeat = 0
        return pika.BlockingConnection(parameters)

    def properties(self, values: dict[str, Any]) -> pika.BasicProperties:
        """Make pika's properties object."""
        return pika.BasicProperties(**values)

    def publish(self, line: Line, arguments: dict[str, Any]) -> str:
        """Publish; in confirm mode pika waits for the confirm. Returns come by callback too."""
        answer = "acked" if line.confirms else ""
        try:
            line.channel.basic_publish(**arguments)
        except pika.exceptions.UnroutableError:
            pass
        except pika.exceptions.NackError:
            answer = "nacked"
        self.barrier(line)
        return answer

    def listen(self, line: Line) -> None:
        """Have returns and cancels noted down."""
        line.channel.add_on_return_callback(
            lambda _, method, properties, body: self.note_return(line, method, properties, body)
        )
        line.channel.add_on_cancel_callback(
            lambda frame: self.note_cancel(line, frame.method.consumer_tag)
        )

    def barrier(self, line: Line) -> None:
        """Wait for the answer to a harmless call: what was sent before it has been carried out."""
        line.channel.exchange_declare(KNOWN_EXCHANGE, passive=True)

    def pump(self, seconds: float) -> None:
        """Dispatch what has arrived on every connection."""
        deadline = time.monotonic() + seconds
        while True:
            for connection in self.connections.values():
                if connection.is_open:
                    connection.process_data_events(0)
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return
            time.sleep(min(left_s, 0.001))

    def wait(self, ms: int) -> None:
        """Let real time pass."""
        self.pump(ms / 1000)

    def clean(self, queues: Sequence[str], exchanges: Sequence[str]) -> None:
        """Delete what a conversation may have left behind."""
        self.close()
        self.connections.clear()
        connection = self.connect()
        with contextlib.closing(connection):
            channel = connection.channel()
            for queue in queues:
                channel.queue_delete(self.names.outgoing(queue))
            for exchange in exchanges:
                channel.exchange_delete(self.names.outgoing(exchange))
