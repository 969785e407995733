"""What a directory kept comes back: objects first, then what became of messages, then messages.

The groups are read twice: once for the short records (settled, returned, delivered), so that in the
second reading each message that is made is alive, and can leave memory again at once.
"""

from __future__ import annotations

import gc
from collections import defaultdict
from contextlib import contextmanager
from operator import attrgetter
from struct import unpack
from typing import TYPE_CHECKING, cast

from attrs import define, field, frozen

from leveret.engine.durable import KINDS, forget_defaults, restore
from leveret.fields import decode_table
from leveret.queues import QueuedMessage
from leveret.storage.ranges import Ranges
from leveret.storage.records import decode_entries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from leveret.engine.broker import Broker
    from leveret.queues import Queue
    from leveret.queues.stream import StreamQueue
    from leveret.storage.database import Database
    from leveret.storage.journal import Group, StoreJournal

__all__ = ["Fates", "Recovery", "note_fates", "recover", "triples"]

#: Memory is looked at after so many bytes of messages.
RELIEVE_EVERY = 64 * 1024 * 1024


@frozen
class Recovery:
    """What came back when a directory was opened."""

    objects: int = 0
    messages: int = 0
    seconds: float = 0.0


@define
class Fates:
    """What became of one queue's messages after they were written."""

    #: The positions of those that are gone.
    settled: Ranges = field(factory=Ranges)
    #: Positions below this were with a consumer.
    delivered: int = 0
    #: position -> delivery count of a message that came back
    returned: dict[int, int] = field(factory=dict)

    @property
    def next_position(self) -> int:
        """The first position of which nothing is known."""
        return max(self.delivered, self.settled.end)


def recover(
    broker: Broker,
    database: Database,
    journal: StoreJournal,
    relieve: Callable[[], object],
    progress: Callable[[float], object],
) -> Recovery:
    """Bring what a directory kept into a new broker, and attach the journal.

    `relieve` is called now and then to have messages leave memory; `progress` is told the share
    that is done, from 0 to 1.

    Raises:
        StorageError: the directory is damaged.

    """
    objects = _restore_objects(broker, database)
    queues = {
        queue.journal_id: queue
        for host in broker.virtual_hosts.values()
        for queue in host.queues.values()
        if queue.journal_id
    }
    streamed = _restore_streams(database, queues)
    fates: defaultdict[int, Fates] = defaultdict(Fates)
    last = journal.group - 1
    for group in database.fates():
        last = group.number
        note_fates(group, fates)
    journal.group = last + 1
    journal.durable_group = last
    broker.attach(journal)
    messages, unrelieved = streamed, 0
    with _without_collector():
        for group in database.groups():
            messages += _restore_group(group, queues, fates, journal)
            unrelieved += len(group.messages)
            if unrelieved > RELIEVE_EVERY:
                unrelieved = 0
                relieve()
                progress(group.number / last)
    for number, queue in queues.items():
        queue.restored(fates[number].next_position)
    # A queue that is deleted may have left messages: no other may take its id.
    broker.queue_id_used(max(fates, default=0))
    broker.settle()
    held = sum(len(host.delays) for host in broker.virtual_hosts.values())
    return Recovery(objects - held, messages + held)


def _restore_streams(database: Database, queues: dict[int, Queue]) -> int:
    """Tell streams which messages they have, none of which is read; return how many it is."""
    count = 0
    for chunk in database.chunks():
        queue = queues.get(chunk.queue_id)
        if queue is not None and queue.settings.type == "stream":
            log = cast("StreamQueue", queue).log
            place = (chunk.segment, chunk.first, chunk.behind, chunk.first_ms, chunk.last_ms)
            log.restore(*place, chunk.body_bytes)
            count += chunk.behind - chunk.first
    return count


def _restore_objects(broker: Broker, database: Database) -> int:
    forget_defaults(broker)
    # kind -> its objects
    objects: dict[str, list[tuple[tuple[str, ...], bytes]]] = {kind: [] for kind in KINDS}
    for kind, key, value in database.objects():
        objects[kind].append((key, value))
    for kind, values in objects.items():
        for key, value in values:
            restore(broker, kind, key, decode_table(value)[0])
    return sum(map(len, objects.values()))


def note_fates(group: Group, fates: dict[int, Fates]) -> None:
    """Take note of what a group says of earlier messages; `fates` has a queue's by its id."""
    for number, first, behind in triples(group.settled):
        fates[number].settled.add(first, behind)
    for number, position, deliveries in triples(group.returned):
        fates[number].returned[position] = deliveries
    for number, _, behind in triples(group.delivered):
        fates[number].delivered = max(fates[number].delivered, behind)


def _restore_group(
    group: Group, queues: dict[int, Queue], fates: dict[int, Fates], journal: StoreJournal
) -> int:
    """Put the messages of a group that are alive into their queues; return how many it is."""
    count = 0
    entries: list[QueuedMessage] = []
    live = journal.live[group.number] = {}
    for number, message, position, expires_at_ms, redelivered, deliveries in decode_entries(
        group.messages
    ):
        count += 1
        fate = fates[number]
        if number not in queues or position in fate.settled:
            continue
        if position in fate.returned:
            redelivered, deliveries = True, fate.returned[position]
        entry = QueuedMessage(
            message,
            queues[number],
            position,
            expires_at_ms,
            redelivered or position < fate.delivered,
            deliveries,
        )
        entry.stored = group.number
        live[entry] = None
        entries.append(entry)
    entries.sort(key=attrgetter("position"))
    for entry in entries:
        entry.queue.restore(entry)
    journal.sizes[group.number] = (len(group.messages), count)
    return len(live)


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


def triples(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield the numbers of `journal.numbers`, three at a time."""
    values = iter(unpack(f">{len(data) // 8}Q", data))
    return zip(values, values, values, strict=True)
