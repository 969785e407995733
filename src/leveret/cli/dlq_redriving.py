"""Sends dead letters of any broker back to work, losing none.

Each is published first, mandatory and with a confirm, and leaves the dead-letter queue when the
broker has it where it goes. So an end at the wrong moment can leave a letter in both places, never
in none, and only those that were on their way then.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import time
from typing import TYPE_CHECKING

from aio_pika.exceptions import AMQPError, DeliveryError
from aiormq.abc import DeliveredMessage
from aiormq.exceptions import ChannelInvalidStateError
from attrs import Factory, define, field

from leveret.cli.dlq_reading import Walk, letter_of
from leveret.cli.known_exchanges import KnownExchanges
from leveret.dead_letters.rate import Pace
from leveret.dead_letters.redrive import CannotRedrive, Tally

if TYPE_CHECKING:
    from aio_pika.abc import AbstractConnection
    from aiormq.abc import AbstractChannel

    from leveret.dead_letters.letter import DeadLetter
    from leveret.dead_letters.redrive import Address, RedrivePlan, RedriveReport
    from leveret.dead_letters.selection import Selection

__all__ = ["WINDOW", "Redrive"]

#: How many letters may be on their way at once, and so be in both places after an end.
WINDOW = 100


@define(eq=False)
class Redrive:
    """One redrive over a connection. `user` is who logged in: no other `user_id` may be sent."""

    connection: AbstractConnection
    plan: RedrivePlan
    user: str
    limit: int | None = None
    rate_per_s: float | None = None
    tally: Tally = field(factory=Tally)
    #: Letters that lost a user_id property which was another user's.
    renamed: int = field(default=0, init=False)
    _exchanges: KnownExchanges = field(
        default=Factory(lambda self: KnownExchanges(self.connection), takes_self=True), init=False
    )
    _channel: AbstractChannel | None = field(default=None, init=False)
    # message id -> the letter on its way with it
    _under_way: dict[str, asyncio.Task[None]] = field(factory=dict, init=False)
    _numbered: int = field(default=0, init=False)
    _failure: Exception | None = field(default=None, init=False)
    _stop: asyncio.Event = field(factory=asyncio.Event, init=False)

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Send no more than what is on its way.

        Not by cancelling: the client library closes a channel whose answer nobody waits for, and
        acknowledgements with it.
        """
        self._stop.set()

    async def run(self, selection: Selection) -> RedriveReport:
        """Redrive what is meant of the letters that are there now.

        Raises:
            AMQPError: the broker refused, or went away; letters not acknowledged are back.

        """
        async with Walk(self.connection, self.plan.dead_letter_queue) as walk:
            try:
                await self._walk(walk, selection)
            finally:
                while self._under_way:
                    await asyncio.wait([*self._under_way.values()])
                self.tally.left = walk.count - self.tally.redriven - self.tally.refused.total()
        if self._failure is not None:
            raise self._failure
        return self.tally.report()

    async def _walk(self, walk: Walk, selection: Selection) -> None:
        now_ms = time.time_ns() // 1_000_000
        meant = 0
        pace = Pace(self.rate_per_s) if self.rate_per_s else None
        async for message in walk.messages():
            letter = letter_of(message)
            if not selection.matches(letter, now_ms):
                continue
            if pace is not None and not self.tally.dry_run:
                await self._sleep(pace.wait_ms(_monotonic_ms()) / 1000)
            if self.stopped:
                return
            meant += 1
            await self._redrive(walk, message, letter)
            if self._failure is not None or meant == self.limit:
                return

    async def _sleep(self, seconds: float) -> None:
        """Wait that long, or until it is to stop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop.wait()

    async def _redrive(self, walk: Walk, message: DeliveredMessage, letter: DeadLetter) -> None:
        try:
            address = self.plan.address(letter)
            if refusal := await self._exchanges.refusal(address.exchange):
                raise CannotRedrive(refusal)
        except CannotRedrive as why:
            self.tally.refused[str(why)] += 1
            return
        if self.tally.dry_run:
            self.tally.targets[address] += 1
            return
        # The client library tells by its id which message was returned: of two with one id on
        # their way, it would take the wrong one for lost, and the lost one for taken.
        self._numbered += 1
        key = letter.message_id or f"\0{self._numbered}"
        while key in self._under_way or len(self._under_way) >= WINDOW:
            await asyncio.wait([*self._under_way.values()], return_when=asyncio.FIRST_COMPLETED)
        if self._channel is None:
            channel = await self.connection.channel(on_return_raises=False)
            self._channel = await channel.get_underlay_channel()
        task = asyncio.create_task(self._send(self._channel, walk, message, letter, address))
        self._under_way[key] = task
        task.add_done_callback(lambda _: self._under_way.pop(key))

    async def _send(
        self,
        channel: AbstractChannel,
        walk: Walk,
        message: DeliveredMessage,
        letter: DeadLetter,
        address: Address,
    ) -> None:
        properties = copy.copy(message.header.properties)
        properties.headers = self.plan.headers(letter, address)
        if properties.user_id and properties.user_id != self.user:
            properties.user_id = None
            self.renamed += 1
        try:
            answer = await channel.basic_publish(
                message.body,
                exchange=address.exchange,
                routing_key=address.routing_key,
                properties=properties,
                mandatory=True,
            )
            if isinstance(answer, DeliveredMessage):
                self.tally.refused[f"{address} {_UNROUTABLE[bool(address.exchange)]}"] += 1
            else:
                await walk.ack(message)
                self.tally.targets[address] += 1
        except DeliveryError:
            self.tally.refused[f"{address} takes no more (basic.nack)"] += 1
        except (AMQPError, ConnectionError, ChannelInvalidStateError) as error:
            self._failure = self._failure or error


# whether it was published to an exchange -> what is wrong
_UNROUTABLE = {False: "does not exist", True: "reaches no queue"}


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000
