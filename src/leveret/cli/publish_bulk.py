"""Publishes written messages to a broker, many at a time, and counts what became of them."""

from __future__ import annotations

import asyncio
import datetime
from typing import TYPE_CHECKING, Any

from aio_pika.exceptions import AMQPError, DeliveryError
from aiormq.abc import DeliveredMessage
from attrs import Factory, asdict, define, field, frozen
from pamqp.commands import Basic

from leveret.cli.known_exchanges import KnownExchanges
from leveret.cli.report import fault_to_dict

if TYPE_CHECKING:
    from aio_pika.abc import AbstractConnection
    from aiormq.abc import AbstractChannel

    from leveret.cli.messages import BadLine, WrittenMessage
    from leveret.errors import Fault
    from leveret.properties import Properties

__all__ = ["BulkPublisher", "PublishReport", "Stopped"]

#: How many messages may be on their way without the broker's word.
WINDOW = 200


@frozen
class PublishReport:
    """The outcome: a line is `routed`, `unroutable`, `refused` or, after a stop, `unanswered`."""

    lines: int
    routed: int
    unroutable: int
    refused: int
    unanswered: int
    faults: tuple[Fault, ...]

    @property
    def all_taken(self) -> bool:
        """Whether the broker took every message."""
        return not self.refused and not self.unanswered

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return asdict(self, recurse=False) | {"faults": [*map(fault_to_dict, self.faults)]}


class Stopped(Exception):
    """The broker closed the channel over one of the messages on their way."""


@define(eq=False)
class BulkPublisher:
    """Publishes over one channel of a connection, each message mandatory and confirmed.

    An exchange that is not there is found before something is published to it, which would close
    the channel.
    """

    connection: AbstractConnection
    window: int = WINDOW
    _channel: AbstractChannel | None = field(default=None, init=False)
    _places: asyncio.Semaphore = field(init=False)
    _exchanges: KnownExchanges = field(
        default=Factory(lambda self: KnownExchanges(self.connection), takes_self=True), init=False
    )
    # on their way, in the order of their lines
    _under_way: dict[asyncio.Task[None], WrittenMessage] = field(factory=dict, init=False)
    _stop: tuple[str, WrittenMessage] | None = field(default=None, init=False)
    _lines: int = field(default=0, init=False)
    _routed: int = field(default=0, init=False)
    _unroutable: int = field(default=0, init=False)
    _refused: int = field(default=0, init=False)
    _faults: list[Fault] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self._places = asyncio.Semaphore(self.window)

    def skip(self, bad: BadLine) -> None:
        """Count a line that holds no message."""
        self._lines += 1
        self._refused += 1
        self._faults.extend(bad.faults)

    async def publish(self, message: WrittenMessage) -> None:
        """Send one message, once there is room for it; its answer comes later.

        Raises:
            Stopped: the broker closed the channel; `finish` says why.

        """
        self._lines += 1
        why = await self._exchanges.refusal(message.exchange)
        if why:
            self._refuse(
                message.fault(why, "Declare it first, or correct the name.", ("exchange",))
            )
            return
        if message.properties.cluster_id:
            path = ("properties", "cluster_id")
            self._refuse(message.fault("no client can send a cluster_id", "Leave it out.", path))
            return
        await self._places.acquire()
        if self._stop is not None:
            raise Stopped
        if self._channel is None:
            channel = await self.connection.channel(on_return_raises=False)
            self._channel = await channel.get_underlay_channel()
        task = asyncio.create_task(self._send(self._channel, message))
        self._under_way[task] = message
        task.add_done_callback(self._answered)

    async def finish(self) -> PublishReport:
        """Wait for all answers; return what was counted."""
        while self._under_way:
            await asyncio.wait(self._under_way)
        if self._stop is not None:
            why, message = self._stop
            remedy = (
                "The broker closed the channel over this message, or one of those behind it:"
                " what was not answered may be there or not. Nothing more was published."
            )
            self._faults.append(message.fault(why, remedy))
        answered = self._routed + self._unroutable + self._refused
        return PublishReport(
            lines=self._lines,
            routed=self._routed,
            unroutable=self._unroutable,
            refused=self._refused,
            unanswered=self._lines - answered,
            faults=tuple(self._faults),
        )

    async def _send(self, channel: AbstractChannel, message: WrittenMessage) -> None:
        try:
            answer = await channel.basic_publish(
                message.body,
                exchange=message.exchange,
                routing_key=message.routing_key,
                properties=_pamqp_properties(message.properties),
                mandatory=True,
            )
        except DeliveryError:
            self._refuse(message.fault("basic.nack: a queue did not take it", "Is it full?"))
        except AMQPError as error:
            if self._stop is None:
                self._stop = (str(error), message)
        else:
            if isinstance(answer, DeliveredMessage):
                self._unroutable += 1
            else:
                self._routed += 1

    def _answered(self, task: asyncio.Task[None]) -> None:
        del self._under_way[task]
        self._places.release()

    def _refuse(self, fault: Fault) -> None:
        self._refused += 1
        self._faults.append(fault)


def _pamqp_properties(properties: Properties) -> Basic.Properties:
    """Return properties as pamqp has them; it gives a message id to a message that has none."""
    values = asdict(properties, recurse=False, filter=lambda _, value: value is not None)
    if "type" in values:
        values["message_type"] = values.pop("type")
    if "timestamp" in values:
        values["timestamp"] = datetime.datetime.fromtimestamp(values["timestamp"], datetime.UTC)
    return Basic.Properties(**values)
