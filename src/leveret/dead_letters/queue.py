"""A dead-letter queue of a broker in this process.

Looking changes nothing: letters are read where they stand. A redriven letter enters where it goes
and leaves the dead-letter queue in one turn of the broker, and so in one group of its journal: it
is never in both, nor in neither. All others keep place, flags and delivery count.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from math import ceil
from typing import TYPE_CHECKING

from attrs import define, field

from leveret.dead_letters.grouping import DEFAULT_KEYS, DeadLetterGroup, grouped
from leveret.dead_letters.letter import DeadLetter
from leveret.dead_letters.rate import Pace, parse_rate
from leveret.dead_letters.redrive import CannotRedrive, RedrivePlan, RedriveReport, Tally
from leveret.dead_letters.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from leveret.dead_letters.redrive import Address
    from leveret.engine.broker import Broker
    from leveret.engine.delays import Target
    from leveret.queues import AnyMessage, Queue, QueuedMessage

__all__ = ["DeadLetterQueue", "Redriving"]

#: Letters that one turn of the broker redrives where no rate is asked for: some milliseconds.
TURN = 500


@define(eq=False)
class DeadLetterQueue:
    """The dead letters in one queue of a broker; `lock` is held for each of its turns.

    >>> from leveret import Broker
    >>> broker = Broker()
    >>> _ = broker.queue_declare("billing.dlq")
    >>> _ = broker.queue_declare("billing", arguments={
    ...     "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "billing.dlq"})
    >>> broker.basic_publish("", "billing", b"order 7")
    >>> broker.basic_reject(broker.basic_get("billing")[0].delivery_tag, requeue=False)
    >>> letters = DeadLetterQueue(broker, "billing.dlq")
    >>> [(letter.reason, letter.queue, letter.body) for letter in letters.show()]
    [('rejected', 'billing', b'order 7')]
    >>> letters.redrive().redriven
    1
    """

    broker: Broker
    name: str
    virtual_host: str = "/"
    lock: AbstractContextManager[object] = field(factory=nullcontext)

    def queue(self) -> Queue:
        """Return the queue.

        Raises:
            NotFound: there is none of that name.
            KeyError: there is no such virtual host.
            ValueError: it is a stream, whose messages stay where they are.

        """
        queue = self.broker.virtual_hosts[self.virtual_host].queue(self.name)
        if queue.settings.type == "stream":
            raise ValueError(f"queue '{self.name}' is a stream: consume it, nothing leaves it")
        return queue

    def show(
        self, selection: Selection | None = None, limit: int | None = None
    ) -> list[DeadLetter]:
        """Return letters in the order of the queue.

        Raises:
            NotFound: there is no such queue.

        """
        return [letter for _, letter in islice(self._chosen(selection), limit)]

    def redrive(
        self,
        selection: Selection | None = None,
        *,
        to: str | None = None,
        back_to: str = "last-death",
        limit: int | None = None,
        dry_run: bool = False,
        keep_headers: bool = False,
    ) -> RedriveReport:
        """Send letters back to work, as many as there are now; see `RedrivePlan` for where.

        What was redriven and dies again lands behind them, and waits for the next redrive.

        Raises:
            NotFound: there is no such queue.
            ValueError: `to` is this queue, or `back_to` is none of `BACK_TO`.

        """
        plan = RedrivePlan(self.name, to, back_to, keep_headers)
        redriving = self.prepare(plan, selection, limit, dry_run=dry_run)
        while not redriving.is_done:
            redriving.step(TURN)
        return redriving.report()

    def start(
        self,
        rate: str | float,
        selection: Selection | None = None,
        *,
        to: str | None = None,
        back_to: str = "last-death",
        limit: int | None = None,
        keep_headers: bool = False,
        on_done: Callable[[RedriveReport], object] | None = None,
    ) -> Redriving:
        """Begin a redrive that sends no more than `rate` ("50/s", "600/m") on the broker's clock.

        It goes on by itself, as what is due does; `cancel` ends it. `on_done` is called behind the
        last letter.

        Raises:
            NotFound: there is no such queue.
            ValueError: as `redrive`, or `rate` is no rate.

        """
        pace = Pace(parse_rate(rate))
        plan = RedrivePlan(self.name, to, back_to, keep_headers)
        redriving = self.prepare(plan, selection, limit)
        with self.lock:
            redriving.go_on(pace, on_done)
        return redriving

    def prepare(
        self,
        plan: RedrivePlan,
        selection: Selection | None = None,
        limit: int | None = None,
        *,
        dry_run: bool = False,
    ) -> Redriving:
        """Return a redrive that is done step by step, of the letters that are there now.

        Raises:
            NotFound: there is no such queue.

        """
        chosen = [entry.position for entry, _ in self._chosen(selection)]
        with self.lock:
            queue = self.queue()
            positions = chosen[:limit]
            left = max(0, queue.ready_count - len(positions))
        return Redriving(self, queue, plan, positions, Tally(dry_run, left))

    def list(
        self, by: tuple[str, ...] = DEFAULT_KEYS, selection: Selection | None = None
    ) -> list[DeadLetterGroup]:
        """Return the letters counted by what they have in common, most first.

        Raises:
            NotFound: there is no such queue.
            ValueError: `by` names something that letters cannot be grouped by.

        """
        return grouped((letter for _, letter in self._chosen(selection)), by)

    def _chosen(self, selection: Selection | None) -> Iterator[tuple[QueuedMessage, DeadLetter]]:
        """Yield the letters that are meant; only to copy their list takes the lock."""
        with self.lock:
            entries = list(self.queue().ready)
            now_ms = self.broker.clock.now_ms()
        selection = selection or Selection()
        for entry in entries:
            letter = letter_of(entry.message)
            if selection.matches(letter, now_ms):
                yield entry, letter


@define(eq=False)
class Redriving:
    """A redrive under way: the letters still to send, by their positions, and what came so far."""

    letters: DeadLetterQueue
    queue: Queue
    plan: RedrivePlan
    _positions: list[int]
    tally: Tally
    _next: int = field(default=0, init=False)

    @property
    def is_done(self) -> bool:
        """Whether no letter is left to send."""
        return self._next >= len(self._positions)

    @property
    def count(self) -> int:
        """How many letters are meant."""
        return len(self._positions)

    @property
    def processed(self) -> int:
        """How many letters were sent, or could not be."""
        return self._next

    def report(self) -> RedriveReport:
        """Return what came of it so far."""
        return self.tally.report()

    def cancel(self) -> None:
        """Leave what was not sent yet where it is."""
        self.tally.left += self.count - self._next
        del self._positions[self._next :]

    def go_on(self, pace: Pace, on_done: Callable[[RedriveReport], object] | None) -> None:
        """Send what may go now, and see that the rest goes when it may."""
        broker = self.letters.broker
        while not self.is_done:
            now_ms = broker.clock.now_ms()
            wait_ms = pace.wait_ms(now_ms)
            if wait_ms:
                broker.timers.call_at(now_ms + ceil(wait_ms), lambda: self._send_one(pace, on_done))
                return
            self.step(1)
        if on_done is not None:
            on_done(self.report())

    def _send_one(self, pace: Pace, on_done: Callable[[RedriveReport], object] | None) -> None:
        if not self.is_done:
            self.step(1)
        self.go_on(pace, on_done)

    def step(self, count: int) -> None:
        """Send the next `count` letters in one turn; one that somebody took is passed over."""
        positions = frozenset(self._positions[self._next : self._next + count])
        self._next += len(positions)
        broker = self.letters.broker
        with self.letters.lock:
            found = list(self.queue.find(positions))  # none, where the queue was deleted
            self.queue.withdraw({entry.position for entry in found if self._send(entry.message)})
            broker.settle()

    def _send(self, message: AnyMessage) -> bool:
        """Publish a letter; say whether it may leave the dead-letter queue."""
        letter = letter_of(message)
        try:
            address = self.plan.address(letter)
            targets = self._targets(address, message)
            if not self.tally.dry_run:
                self._publish(message, letter, address, targets)
        except CannotRedrive as why:
            self.tally.refused[str(why)] += 1
            return False
        self.tally.targets[address] += 1
        return not self.tally.dry_run

    def _targets(self, address: Address, message: AnyMessage) -> tuple[Target, ...]:
        host = self.letters.broker.virtual_hosts[self.letters.virtual_host]
        if not address.exchange and address.routing_key not in host.queues:
            raise CannotRedrive(f"no {host.describe('queue', address.routing_key)}")
        if address.exchange not in host.exchanges:
            raise CannotRedrive(f"no {host.describe('exchange', address.exchange)}")
        keys = (address.routing_key, *address.extra_keys)
        targets = host.router.route_keys(address.exchange, keys, message.properties)
        if not targets:
            raise CannotRedrive(f"{address} reaches no queue")
        return targets

    def _publish(
        self, message: AnyMessage, letter: DeadLetter, address: Address, targets: tuple[Target, ...]
    ) -> None:
        again = message.changed(
            exchange=address.exchange,
            routing_key=address.routing_key,
            properties=message.properties.replaced(self.plan.headers(letter, address), None),
            expiration_ms=None,
            extra_keys=address.extra_keys,
            died=False,
        )
        host = self.letters.broker.virtual_hosts[self.letters.virtual_host]
        host.published[address.exchange] += 1
        refused = [target.name for target in targets if not target.publish_again(again)]
        if refused:
            raise CannotRedrive(f"queue '{refused[0]}' takes no more")


def letter_of(message: AnyMessage) -> DeadLetter:
    """Return what a message of a dead-letter queue tells about its deaths."""
    properties = message.properties
    return DeadLetter.of(
        message.exchange,
        message.routing_key,
        properties.headers,
        message.body,
        properties.message_id,
    )
