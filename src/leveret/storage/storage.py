"""A broker's durability: what a directory kept comes back, and what is appended goes there."""

from __future__ import annotations

import gc
from collections import deque
from contextlib import contextmanager
from shutil import disk_usage
from struct import unpack
from threading import Lock
from time import perf_counter
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from leveret.engine.durable import KINDS, forget_defaults, note_all, restore
from leveret.fields import decode_table
from leveret.queues import QueuedMessage
from leveret.storage.database import Database
from leveret.storage.journal import Group, StoreJournal
from leveret.storage.records import decode_entries

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from leveret.engine.broker import Broker
    from leveret.queues import Queue

__all__ = ["Recovery", "Storage", "storage_of"]


@frozen
class Recovery:
    """What came back when a directory was opened."""

    objects: int = 0
    messages: int = 0
    seconds: float = 0.0


@define(eq=False)
class Storage:
    """The journal of one broker, and the directory behind it.

    `seal` is called in the broker's own thread, or under its lock; `write` may be called in
    another; then `Broker.durable` is due, as `seal`. `flush` does all three.
    """

    broker: Broker
    database: Database
    journal: StorageJournal = field(init=False)
    recovery: Recovery = field(factory=Recovery, init=False)
    # Groups that are sealed and not durable yet, in order.
    _sealed: deque[Group] = field(factory=deque, init=False)
    # Held while one of them is written.
    _writing: Lock = field(factory=Lock, init=False)
    # The last that is durable.
    _written: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.journal = StorageJournal(storage=self)

    @classmethod
    def open(cls, broker: Broker, directory: str | os.PathLike[str]) -> Storage:
        """Bring what a directory kept into a new broker, and keep what is durable from now on.

        Raises:
            StorageError: the directory cannot be used, or is damaged.

        """
        database = Database(directory)
        storage = cls(broker, database)
        try:
            if database.is_new:
                broker.attach(storage.journal)
                note_all(broker)
            else:
                with _without_collector():
                    storage._recover()
            storage.flush()
        except BaseException:
            broker.journal = None
            database.close()
            raise
        return storage

    def seal(self) -> None:
        """End the group being gathered, where there is something in it."""
        if self.journal.has_news:
            self._sealed.append(self.journal.seal())

    @property
    def pending(self) -> int:
        """How many groups are sealed and not durable yet."""
        return len(self._sealed)

    def write(self) -> int:
        """Make the sealed groups durable; return the number of the last that is, 0 for none ever.

        Raises:
            StorageError: some are not written yet; calling again goes on from there.

        """
        with self._writing:
            while self._sealed:
                group = self._sealed[0]
                self.database.write(group)
                self._sealed.popleft()
                self._written = group.number
            return self._written

    def free_bytes(self) -> int:
        """Return how much space is left where the directory is."""
        return disk_usage(self.database.directory).free

    def flush(self) -> None:
        """Make all that was appended durable, and have confirms for it given.

        Raises:
            StorageError: it cannot be written now; nothing is lost, and calling again tries again.

        """
        self.seal()
        self.broker.durable(self.write())

    def close(self) -> None:
        """Make all durable and let the directory go.

        Raises:
            StorageError: see `flush`; the directory is let go all the same.

        """
        try:
            self.flush()
        finally:
            self.database.close()

    # -- recovery

    def _recover(self) -> None:
        broker = self.broker
        began = perf_counter()
        forget_defaults(broker)
        # kind -> its objects
        objects: dict[str, list[tuple[tuple[str, ...], bytes]]] = {kind: [] for kind in KINDS}
        for kind, key, value in self.database.objects():
            objects[kind].append((key, value))
        for kind, values in objects.items():
            for key, value in values:
                restore(broker, kind, key, decode_table(value)[0])
        queues = {
            queue.journal_id: queue
            for host in broker.virtual_hosts.values()
            for queue in host.queues.values()
            if queue.journal_id
        }
        # queue id -> position -> entry
        entries: dict[int, dict[int, QueuedMessage]] = {number: {} for number in queues}
        groups: dict[QueuedMessage, int] = {}
        last = 0
        for group in self.database.groups():
            last = group.number
            self._replay(group, queues, entries, groups)
        self._attach(last, entries, groups)
        for number, queue in queues.items():
            queue.restore(self._restored(entries[number], groups))
        broker.settle()
        total = sum(map(len, entries.values()))
        self.recovery = Recovery(sum(map(len, objects.values())), total, perf_counter() - began)

    def _replay(
        self,
        group: Group,
        queues: dict[int, Queue],
        entries: dict[int, dict[int, QueuedMessage]],
        groups: dict[QueuedMessage, int],
    ) -> None:
        count = 0
        for number, message, position, expires, redelivered, deliveries in decode_entries(
            group.messages
        ):
            count += 1
            queue = queues.get(number)
            if queue is not None:
                entry = QueuedMessage(message, queue, position, expires, redelivered, deliveries)
                old = entries[number].get(position)
                if old is not None:  # written again to save space
                    del groups[old]
                entries[number][position] = entry
                groups[entry] = group.number
        self.journal.live[group.number] = {}
        self.journal.sizes[group.number] = (len(group.messages), count)
        values = _numbers(group.returned)
        for number, position, deliveries in zip(values, values, values, strict=True):
            returned = entries.get(number, {}).get(position)
            if returned is not None:
                returned.redelivered = True
                returned.delivery_count = deliveries
        values = _numbers(group.delivered)
        for number, first, behind in zip(values, values, values, strict=True):
            there = entries.get(number)
            for position in range(first, behind) if there else ():
                if there and position in there:
                    there[position].redelivered = True
        values = _numbers(group.settled)
        for number, position in zip(values, values, strict=True):
            gone = entries.get(number, {}).pop(position, None)
            if gone is not None:
                del groups[gone]

    def _attach(
        self,
        last: int,
        entries: dict[int, dict[int, QueuedMessage]],
        groups: dict[QueuedMessage, int],
    ) -> None:
        self.journal.group = last + 1
        self._written = last
        for entry, number in groups.items():
            self.journal.live[number][entry] = None
        self.broker.attach(self.journal)

    def _restored(
        self, entries: dict[int, QueuedMessage], groups: dict[QueuedMessage, int]
    ) -> Iterator[QueuedMessage]:
        """Yield a queue's entries in order; each says which group it stands in, once it is in."""
        for position in sorted(entries):
            entry = entries[position]
            yield entry
            entry.stored = groups[entry]


@contextmanager
def _without_collector() -> Iterator[None]:
    """Have nothing looked for in cycles: a million messages made at once took twice as long."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


@define(eq=False)
class StorageJournal(StoreJournal):
    """A journal that knows what keeps it."""

    storage: Storage = field(kw_only=True)


def storage_of(broker: Broker) -> Storage | None:
    """Return what keeps a broker's directory; None where it has none."""
    journal = broker.journal
    return journal.storage if isinstance(journal, StorageJournal) else None


def _numbers(data: bytes) -> Iterator[int]:
    return iter(unpack(f">{len(data) // 8}Q", data))
