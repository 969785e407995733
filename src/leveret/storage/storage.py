"""A broker's durability: what a directory kept comes back, and what is appended goes there."""

from __future__ import annotations

from collections import deque
from shutil import disk_usage
from threading import Lock
from time import perf_counter
from typing import TYPE_CHECKING

from attrs import define, evolve, field

from leveret.engine.durable import note_all
from leveret.storage.database import Database
from leveret.storage.journal import Group, StoreJournal
from leveret.storage.recovery import Recovery, recover

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

    from leveret.engine.broker import Broker

__all__ = ["Storage", "storage_of"]

#: How many messages at the head of a queue stay in memory: what its consumers ask for next.
KEEP_MESSAGES = 4096


@define(eq=False)
class Storage:
    """The journal of one broker, and the directory behind it.

    `seal` is called in the broker's own thread, or under its lock; `write` may be called in
    another; then `Broker.durable` is due, as `seal`. `flush` does all three.
    """

    broker: Broker
    database: Database
    #: When messages take more, those of long queues leave memory; None lets all stay.
    memory_bytes: int | None = None
    journal: StorageJournal = field(init=False)
    recovery: Recovery = field(factory=Recovery, init=False)
    # Groups that are sealed and not durable yet, in order.
    _sealed: deque[Group] = field(factory=deque, init=False)
    # Held while one of them is written.
    _writing: Lock = field(factory=Lock, init=False)

    def __attrs_post_init__(self) -> None:
        self.journal = StorageJournal(storage=self)

    @classmethod
    def open(
        cls,
        broker: Broker,
        directory: str | os.PathLike[str],
        memory_bytes: int | None = None,
        progress: Callable[[float], object] = lambda share: None,
    ) -> Storage:
        """Bring what a directory kept into a new broker, and keep what is durable from now on.

        `progress` is told how much of a long recovery is done, from 0 to 1.

        Raises:
            StorageError: the directory cannot be used, or is damaged.

        """
        database = Database(directory)
        storage = cls(broker, database, memory_bytes)
        try:
            if database.is_new:
                broker.attach(storage.journal)
                note_all(broker)
            else:
                began = perf_counter()
                recovery = recover(broker, database, storage.journal, storage.relieve, progress)
                storage.recovery = evolve(recovery, seconds=perf_counter() - began)
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
                self.journal.durable_group = group.number
            return self.journal.durable_group

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
        self.relieve()

    def relieve(self, memory_bytes: int | None = None) -> None:
        """Have messages of the longest queues leave memory while all take more than `memory_bytes`.

        Without it the storage's own limit counts. O(queues), and the messages that leave.

        Raises:
            StorageError: see `PagedRun.read`.

        """
        limit = self.memory_bytes if memory_bytes is None else memory_bytes
        if limit is None:
            return
        queues = [q for host in self.broker.virtual_hosts.values() for q in host.queues.values()]
        held = {queue: queue.memory_bytes for queue in queues}
        total = sum(held.values())
        for queue in sorted(queues, key=lambda queue: -held[queue]):
            if total <= limit:
                return
            queue.page_out(KEEP_MESSAGES)
            total += queue.memory_bytes - held[queue]

    def close(self) -> None:
        """Make all durable and let the directory go.

        Raises:
            StorageError: see `flush`; the directory is let go all the same.

        """
        try:
            self.flush()
        finally:
            self.database.close()


@define(eq=False)
class StorageJournal(StoreJournal):
    """A journal that knows what keeps it."""

    storage: Storage = field(kw_only=True)

    def read(self, number: int) -> Group:
        """Return a group as it was written.

        Raises:
            StorageError: it cannot be read.

        """
        return self.storage.database.group(number)

    def read_stream(self, queue_id: int, first: int, end: int) -> Iterator[bytes]:
        """Return chunks of a stream that hold these offsets, in order.

        Raises:
            StorageError: one cannot be read.

        """
        return self.storage.database.chunks_with(queue_id, first, end)


def storage_of(broker: Broker) -> Storage | None:
    """Return what keeps a broker's directory; None where it has none."""
    journal = broker.journal
    return journal.storage if isinstance(journal, StorageJournal) else None
