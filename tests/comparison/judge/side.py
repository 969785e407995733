"""One side of the comparison: carries out steps, keeps what happens on its channels.

Both sides speak through objects with pika's methods; what differs is how they are opened, how they
name their errors, and that on one of them things take time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import define, field

from judge.plain import Cancelled, Closed, Delivery, Event, Names, Returned, properties_of

if TYPE_CHECKING:
    from judge.steps import Step

__all__ = ["Depth", "Line", "Side"]

#: Ready messages and consumers of a queue.
Depth = tuple[int, int]


@define(eq=False)
class Line:
    """A channel as one side has it, with what came over it since it was opened."""

    channel: Any
    events: list[Event] = field(factory=list)
    tags: list[int | None] = field(factory=list)  # delivery tag of each event; None: not a delivery
    confirms: bool = False


@define(eq=False)
class Side(ABC):
    """What both sides share."""

    names: Names = field(factory=Names)
    connections: dict[str, Any] = field(factory=dict, init=False)  # letter -> connection
    lines: dict[str, Line] = field(factory=dict, init=False)  # channel of the script -> line
    channel_closed: ClassVar[type[Exception]]
    connection_closed: ClassVar[type[Exception]]

    # -- what differs

    @abstractmethod
    def connect(self) -> Any:
        """Open a connection."""

    @abstractmethod
    def properties(self, values: dict[str, Any]) -> Any:
        """Make this side's properties object."""

    @abstractmethod
    def publish(self, line: Line, arguments: dict[str, Any]) -> str:
        """Publish; return `acked` or `nacked` where the channel confirms."""

    @abstractmethod
    def listen(self, line: Line) -> None:
        """Have returns and cancels noted down on the line."""

    @abstractmethod
    def pump(self, seconds: float) -> None:
        """Take in what has arrived; wait up to `seconds` for it."""

    @abstractmethod
    def wait(self, ms: int) -> None:
        """Let time pass."""

    @abstractmethod
    def barrier(self, line: Line) -> None:
        """Return when the channel has carried out what was sent to it."""

    # -- channels

    def connection(self, letter: str) -> Any:
        """Return an open connection."""
        connection = self.connections.get(letter)
        if connection is None or not connection.is_open:
            connection = self.connections[letter] = self.connect()
        return connection

    def line(self, name: str) -> Line:
        """Return a line whose channel is open."""
        line = self.lines.get(name)
        if line is None or not line.channel.is_open:
            line = self.lines[name] = Line(self.connection(name[0]).channel())
            self.listen(line)
        return line

    # -- steps

    def perform(self, step: Step, delivery_tag: int | None = None) -> Any:
        """Carry out a step; return its answer, or how the broker closed what it was sent on."""
        arguments = self.names.outgoing(dict(step.arguments))
        if delivery_tag is not None:
            arguments = {k: v for k, v in arguments.items() if k not in ("nth", "used")}
            arguments["delivery_tag"] = delivery_tag
        line = self.line(step.channel)
        try:
            answer = self._call(step.call, line, arguments)
        except self.channel_closed as error:
            return self._closed("channel", error)
        except self.connection_closed as error:
            return self._closed("connection", error)
        return self.names.incoming(answer)

    def _closed(self, what: str, error: Any) -> Closed:
        return Closed(what, error.reply_code, self.names.incoming(error.reply_text))

    def _call(self, call: str, line: Line, arguments: dict[str, Any]) -> Any:
        special = getattr(self, f"_do_{call}", None)
        if special is not None:
            return special(line, arguments)
        getattr(line.channel, call)(**arguments)
        if call in ("basic_ack", "basic_nack", "basic_reject"):
            self.barrier(line)
        return None

    def _do_wait(self, line: Line, arguments: dict[str, Any]) -> None:
        self.wait(arguments["ms"])

    def _do_close(self, line: Line, arguments: dict[str, Any]) -> None:
        line.channel.close(**arguments)

    def _do_close_connection(self, line: Line, arguments: dict[str, Any]) -> None:
        next(c for c in self.connections.values() if c is self._owner(line)).close()

    def _owner(self, line: Line) -> Any:
        letter = next(name[0] for name, each in self.lines.items() if each is line)
        return self.connections[letter]

    def _do_confirm_delivery(self, line: Line, arguments: dict[str, Any]) -> None:
        line.channel.confirm_delivery()
        line.confirms = True

    def _do_queue_declare(self, line: Line, arguments: dict[str, Any]) -> dict[str, Any]:
        ok = line.channel.queue_declare(**arguments).method
        return {"queue": ok.queue, "ready": ok.message_count, "consumers": ok.consumer_count}

    def _do_queue_delete(self, line: Line, arguments: dict[str, Any]) -> int:
        return int(line.channel.queue_delete(**arguments).method.message_count)

    def _do_queue_purge(self, line: Line, arguments: dict[str, Any]) -> int:
        return int(line.channel.queue_purge(**arguments).method.message_count)

    def _do_basic_publish(self, line: Line, arguments: dict[str, Any]) -> str:
        arguments["body"] = arguments.get("body", "").encode()
        if "properties" in arguments:
            arguments["properties"] = self.properties(arguments["properties"])
        return self.publish(line, arguments)

    def _do_basic_get(self, line: Line, arguments: dict[str, Any]) -> dict[str, Any] | None:
        method, properties, body = line.channel.basic_get(**arguments)
        if method is None:
            return None
        # The tag is not compared: deliveries of different queues may have come in another order.
        self.note_delivery(line, "", method, properties, body, kept=not arguments.get("auto_ack"))
        return {"left": method.message_count}

    def _do_basic_consume(self, line: Line, arguments: dict[str, Any]) -> None:
        kept = not arguments.get("auto_ack")
        tag = arguments["consumer_tag"]

        def on_message(_: Any, method: Any, properties: Any, body: bytes) -> None:
            self.note_delivery(line, tag, method, properties, body, kept=kept)

        line.channel.basic_consume(on_message_callback=on_message, **arguments)

    def _do_basic_cancel(self, line: Line, arguments: dict[str, Any]) -> None:
        line.channel.basic_cancel(**arguments)

    # -- what comes

    def note(self, line: Line, event: Event, tag: int | None = None) -> None:
        """Keep an event."""
        line.events.append(event)
        line.tags.append(tag)

    def note_delivery(
        self,
        line: Line,
        consumer_tag: str,
        method: Any,
        properties: Any,
        body: bytes,
        *,
        kept: bool,
    ) -> None:
        """Keep a delivery; `kept`: it has to be acknowledged."""
        event = Delivery(
            consumer_tag,
            method.redelivered,
            self.names.incoming(method.exchange),
            self.names.incoming(method.routing_key),
            self.names.incoming(properties_of(properties)),
            body.decode(),
        )
        self.note(line, event, method.delivery_tag if kept else None)

    def note_return(self, line: Line, method: Any, properties: Any, body: bytes) -> None:
        """Keep a returned message."""
        event = Returned(
            method.reply_code,
            method.reply_text,
            self.names.incoming(method.exchange),
            self.names.incoming(method.routing_key),
            self.names.incoming(properties_of(properties)),
            body.decode(),
        )
        self.note(line, event)

    def note_cancel(self, line: Line, consumer_tag: str) -> None:
        """Keep the broker's basic.cancel."""
        self.note(line, Cancelled(consumer_tag))

    # -- what is there

    def depth(self, queue: str, letter: str) -> Depth | None:
        """Return a queue's depth as the connection sees it; None: it does not, or it is gone."""
        return self._exists(letter, "queue_declare", queue=queue)

    def has_exchange(self, exchange: str) -> bool:
        """Say whether an exchange is there."""
        return self._exists("a", "exchange_declare", exchange=exchange) is not None

    def _exists(self, letter: str, call: str, **name: str) -> Depth | None:
        line = self.line(f"{letter}0")
        try:
            found = getattr(line.channel, call)(passive=True, **self.names.outgoing(name))
        except self.channel_closed:
            return None
        if call == "exchange_declare":
            return (0, 0)
        return (found.method.message_count, found.method.consumer_count)

    def close(self) -> None:
        """Close the connections."""
        for connection in self.connections.values():
            if connection.is_open:
                connection.close()
