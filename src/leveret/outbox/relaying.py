"""What a relay does on the side of the database: lease, fetch, note what was published or failed.

One relay at a time has the lease, whatever their number, so that the order of a key is that of its
rows. It gives the lease back after each batch; one that died in the middle of a batch holds up the
others for as long as the lease lasts. One that is merely slow stops before its lease is over.
"""

from __future__ import annotations

import logging
import threading
import uuid
from typing import TYPE_CHECKING

from attrs import define, field, frozen
from sqlalchemy import and_, delete, exists, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from leveret.durations import milliseconds
from leveret.outbox.rows import OutboxMessage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, Engine

    from leveret.durations import Duration
    from leveret.outbox.table import Outbox

__all__ = ["Batch", "RelayStatistics", "Relaying"]

logger = logging.getLogger("leveret.outbox")

#: After a commit the table is looked at at once, then after 5 ms, 10, 20… up to `poll`: who commits
#: may tell of it a moment before it is done.
SOONEST_MS = 5


@frozen
class RelayStatistics:
    """A relay's figures: messages confirmed and noted, and attempts that failed."""

    published: int
    failed: int


@define(eq=False)
class Batch:
    """Messages that were fetched together, and what became of them."""

    messages: list[OutboxMessage]
    confirmed: list[OutboxMessage] = field(factory=list, init=False)
    failures: list[tuple[OutboxMessage, Exception]] = field(factory=list, init=False)

    def publishable(self, has_lease: Callable[[], bool]) -> Iterator[OutboxMessage]:
        """Yield them in order, but none whose key has one that failed, and none without lease."""
        for message in self.messages:
            failed = {one.key for one, _ in self.failures if one.key is not None}
            if not has_lease():
                return
            if message.key not in failed:
                yield message


class Relaying:
    """The work of one relay. Its methods are called by one thread at a time, but for `wake`."""

    def __init__(
        self,
        outbox: Outbox,
        engine: Engine,
        *,
        poll: Duration,
        batch: int,
        lease: Duration,
        first: Duration,
        longest: Duration,
    ) -> None:
        if batch < 1:
            raise ValueError(f"a batch is of 1 message or more, not {batch}")
        self._outbox, self._engine, self._batch = outbox, engine, batch
        self.poll_ms = milliseconds(poll)
        self._lease_ms = milliseconds(lease)
        self._first_ms, self._longest_ms = milliseconds(first), milliseconds(longest)
        self._owner = uuid.uuid4().hex
        self._until_ms = 0
        self.published = self.failed = 0
        #: Set when there may be something to do.
        self.woken = threading.Event()
        #: Called beside, by whoever commits.
        self.on_wake: Callable[[], object] = lambda: None

    @property
    def _now_ms(self) -> int:
        return self._outbox.clock.now_ms()

    def wake(self) -> None:
        """Have the relay look now."""
        self.woken.set()
        self.on_wake()

    def statistics(self) -> RelayStatistics:
        """Return the figures as they are now."""
        return RelayStatistics(self.published, self.failed)

    # -- the lease

    def fetch(self) -> list[OutboxMessage]:
        """Take the lease and return what is due, in order; nothing where another relay has it."""
        with self._engine.begin() as connection:
            now_ms = self._now_ms
            lease = self._outbox.lease
            self._until_ms = now_ms + self._lease_ms
            values = {"owner": self._owner, "until": self._until_ms}
            free = or_(lease.c.owner == self._owner, lease.c.until <= now_ms)
            taken = connection.execute(update(lease).where(lease.c.id == 1, free).values(values))
            if taken.rowcount == 0:
                there = connection.execute(select(lease.c.id).where(lease.c.id == 1)).first()
                if there is not None:
                    return []
                try:
                    with connection.begin_nested():
                        connection.execute(insert(lease).values(id=1, **values))
                except IntegrityError:  # another relay made the row in this moment
                    return []
            table = self._outbox.table
            earlier = table.alias("earlier")
            held_up = exists().where(
                and_(earlier.c.key == table.c.key, earlier.c.id < table.c.id),
                earlier.c.due_at > now_ms,
            )
            due = select(table).where(table.c.due_at <= now_ms, ~held_up)
            rows = connection.execute(due.order_by(table.c.id).limit(self._batch)).mappings().all()
            if not rows:
                self._give_back(connection)
        return [OutboxMessage.of(dict(row)) for row in rows]

    def has_lease(self) -> bool:
        """Say whether there is time to publish more."""
        return self._now_ms < self._until_ms

    def _give_back(self, connection: Connection) -> None:
        lease = self._outbox.lease
        mine = and_(lease.c.id == 1, lease.c.owner == self._owner)
        connection.execute(update(lease).where(mine).values(until=0))

    # -- what became of messages

    def note(self, batch: Batch) -> None:
        """Delete the messages that are confirmed, put off those that failed, give back the lease.

        All in one transaction.
        """
        table, now_ms = self._outbox.table, self._now_ms
        done = [message.row for message in batch.confirmed]
        with self._engine.begin() as connection:
            for message, error in batch.failures:
                delay_ms = min(self._first_ms * 2**message.attempts, self._longest_ms)
                changes = {
                    "attempts": message.attempts + 1,
                    "due_at": now_ms + delay_ms,
                    "error": f"{type(error).__name__}: {error}"[:1000],
                }
                at = table.c.id == message.row
                connection.execute(update(table).where(at).values(changes))
                logger.warning(
                    "message %s of outbox %s was not published, and is tried again in %d ms: %s",
                    message.message_id,
                    table.name,
                    delay_ms,
                    error,
                )
            if done:
                connection.execute(delete(table).where(table.c.id.in_(done)))
            self._give_back(connection)
        self.published += len(done)
        self.failed += len(batch.failures)

    def next_wait_ms(self, waited_ms: int) -> int:
        """Return how long to wait for more, after having waited in vain."""
        return min(max(waited_ms * 2, SOONEST_MS), self.poll_ms)
