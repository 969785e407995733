"""A stream: a queue whose messages stay, read by each consumer at an offset of its own.

The rules are those of RabbitMQ's streams over AMQP 0-9-1 (`rabbit_stream_queue`): nothing is taken
out by consumers, whose acknowledgements give credit for further deliveries; whole segments go by
age and size. Groups with stored offsets are leveret's own over AMQP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, cast

from attrs import define, field

from leveret.errors import NotImplementedByBroker
from leveret.queues.message import QueuedMessage
from leveret.queues.queue import Queue
from leveret.queues.ready import FifoReady
from leveret.queues.stream_arguments import start_offset
from leveret.queues.stream_groups import StreamGroups, group_name
from leveret.queues.stream_log import SEGMENT_BYTES, StreamLog
from leveret.queues.stream_reader import StreamEntry, StreamReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from leveret.queues.consumers import Consumer, Receiver
    from leveret.queues.message import AnyMessage
    from leveret.queues.run import MessageRun
    from leveret.queues.settings import QueueSettings
    from leveret.queues.statistics import QueueStatistics
    from leveret.queues.stream_log import StreamStore

__all__ = ["StreamQueue"]


@define(eq=False)
class StreamMessages(FifoReady):
    """The messages of a stream as those of any queue are looked at; they are in its log alone."""

    stream: StreamQueue = field(kw_only=True)

    def __len__(self) -> int:
        return self.stream.log.count

    def __iter__(self) -> Iterator[QueuedMessage]:
        """Iterate from the first offset on; what is on the disk is read."""
        for offset, message in self.stream.log:
            yield QueuedMessage(message, self.stream, offset)


@define(eq=False)
class StreamQueue(Queue):
    """One stream.

    To publish is O(1), and O(1) for each consumer that waits for the message; a delivery is O(1).
    Consumers share the log; one that does not keep up is not looked at until it acknowledges.
    """

    log: StreamLog = field(factory=StreamLog, init=False)
    #: The consumer groups, whose stored offsets survive a restart as the messages do.
    groups: StreamGroups = field(factory=StreamGroups, init=False)
    # consumer -> its place
    _readers: dict[Consumer, StreamReader] = field(factory=dict, init=False)
    # Readers at the end of the log that can take more -> None
    _waiting: dict[StreamReader, None] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self.ready = StreamMessages(stream=self)
        self.apply(self.settings)

    # -- settings

    def apply(self, settings: QueueSettings) -> None:
        """Put settings in force; retention is looked at now, and with each segment begun."""
        self.settings = settings
        size = settings.segment_bytes
        self.log.segment_bytes = SEGMENT_BYTES if size is None else size
        self._retain()

    def touch(self) -> None:
        """Do nothing: a stream has no lease."""

    def _retain(self) -> None:
        settings = self.settings
        log = self.log
        log.retain(settings.max_length_bytes, settings.max_age_ms, self.host.now_ms())
        self.ready_count, self.ready_bytes = log.count, log.body_bytes

    # -- publishing

    def publish(self, message: AnyMessage) -> bool:
        """Append a message, and hand it to whoever waits for it. It is taken in any case."""
        log, now_ms = self.log, self.host.now_ms()
        if log.is_full:
            log.begin_segment()
            self._retain()
        log.append(message, now_ms)
        self.ready_count += 1
        self.ready_bytes += message.size
        if self._waiting:
            self.start()
        return True

    def takes_run(self, run: MessageRun) -> bool:
        """Say that `publish_run` may be called."""
        return True

    def publish_run(self, run: MessageRun, expiration_ms: int | None) -> None:
        """Append messages as so many calls of `publish` would; they do not expire."""
        log, now_ms = self.log, self.host.now_ms()
        for index in range(len(run)):
            if log.is_full:
                log.begin_segment()
                self._retain()
            log.append(run.message(index), now_ms)
        self.ready_count, self.ready_bytes = log.count, log.body_bytes
        if self._waiting:
            self.start()

    # -- delivering

    def get(self, no_ack: bool = False) -> QueuedMessage | None:
        """Refuse: a stream is read by consumers.

        Raises:
            NotImplementedByBroker: always.

        """
        self._refuse_method("basic.get")

    def _refuse_method(self, what: str) -> NoReturn:
        raise NotImplementedByBroker(
            f"{what} not supported by stream queues {self.host.describe('queue', self.name)}"
        )

    def start(self) -> None:
        """Deliver to the consumers that wait."""
        for reader in list(self._waiting):
            self._feed(reader)

    def run(self, unblocked: Iterable[Consumer]) -> None:
        """Deliver on, since these consumers may be able to take messages again."""
        for consumer in unblocked:
            self.go_on(consumer)

    def go_on(self, consumer: Consumer) -> None:
        """Deliver on to a consumer."""
        reader = self._readers.get(consumer)
        if reader is not None and (reader.group is None or reader.group.active is reader):
            self._feed(reader)

    def _feed(self, reader: StreamReader) -> None:
        """Deliver to a consumer until it takes no more, or there is no more."""
        consumer = reader.consumer
        can_take, receive = consumer.can_take, consumer.receiver.receive
        while True:
            if not can_take():
                self._waiting.pop(reader, None)
                return
            entry = reader.take(self)
            if entry is None:
                self._waiting[reader] = None
                return
            self.unacked += 1
            self.unacked_bytes += entry.message.size
            self._delivered += 1
            if entry.redelivered:
                self._redelivered += 1
            consumer.delivered += 1
            receive(consumer, entry)

    # -- settling

    def ack_one(self, entry: QueuedMessage) -> None:
        """Take note that a delivery was handled; its consumer gets more."""
        self.unacked -= 1
        self.unacked_bytes -= entry.message.size
        consumer = entry.consumer
        assert consumer is not None
        consumer.unacked -= 1
        if not self.deleted:
            self._acked += 1
            self._note_handled((entry,))
            self.go_on(consumer)

    def ack(self, entries: Sequence[QueuedMessage]) -> None:
        """Take note that deliveries, all of one consumer, were handled; it gets more."""
        self._settle(entries)
        if not self.deleted:
            self._acked += len(entries)
            self._note_handled(entries)
            self._after_settling(entries)

    def _note_handled(self, entries: Iterable[QueuedMessage]) -> None:
        for entry in entries:
            reader = cast("StreamEntry", entry).reader
            assert reader is not None
            group = reader.group
            if group is not None:
                offset = reader.settle(entry.position)
                if offset is not None and offset > group.offset:
                    self.groups.store(group.name, offset)

    def discard(self, entries: Sequence[QueuedMessage]) -> None:
        """Take deliveries as handled that were rejected: nothing dies in a stream.

        Raises:
            NotImplementedByBroker: the version has no reject on streams.

        """
        self._settle(entries)
        self._check_rejectable(entries)
        self._note_handled(entries)
        self._after_settling(entries)

    def requeue(self, entries: Sequence[QueuedMessage], *, failed: bool) -> None:
        """Give credit for deliveries that were given back; to a group they are delivered again.

        Raises:
            NotImplementedByBroker: the version has no reject on streams.

        """
        self._settle(entries)
        self._check_rejectable(entries)
        for entry in entries:
            reader = cast("StreamEntry", entry).reader
            assert reader is not None
            if reader.group is not None:
                reader.give_back(entry.position)
        self._after_settling(entries)

    def _check_rejectable(self, entries: Sequence[QueuedMessage]) -> None:
        reader = cast("StreamEntry", entries[0]).reader
        assert reader is not None
        if reader.group is None and self.rules.streams_refuse_rejects:
            self._refuse_method("basic.nack and basic.reject")

    # -- consumers

    def is_active(self, consumer: Consumer) -> bool:
        """Say whether the consumer may be given messages: of a group, one at a time."""
        reader = self._readers.get(consumer)
        return reader is not None and (reader.group is None or reader.group.active is reader)

    def accepts(self, *, exclusive: bool) -> bool:
        """Say that one more consumer may subscribe; RabbitMQ takes exclusive ones as others."""
        return True

    def subscribe(self, consumer: Consumer) -> None:
        """Add a consumer. Deliveries begin with the next `start`.

        Raises:
            StorageError: the place of a timestamp cannot be read.

        """
        arguments = consumer.arguments
        name = group_name(consumer.tag, arguments)
        group = None if name is None else self.groups.get(name)
        if group is not None:
            offset = group.offset + 1
        else:
            value = arguments.get("x-stream-offset")
            offset = start_offset(value, self.log, self.host.now_ms())
            if name is not None:  # noted at once: a crash before the first ack must not move it
                group = self.groups.store(name, offset - 1)
        reader = self._readers[consumer] = StreamReader(consumer, self.log, offset, group)
        self.consumers.add(consumer)
        if group is not None:
            group.members.append(reader)
        if self.is_active(consumer):
            self._waiting[reader] = None

    def unsubscribe(self, consumer: Consumer) -> None:
        """Take a consumer out; what it holds may still be acknowledged (S71)."""
        successor = self._take_out(consumer)
        if successor is not None:
            self._feed(successor)

    def receiver_left(self, receiver: Receiver) -> None:
        """Drop all consumers of a channel that closes."""
        for consumer in [consumer for consumer in self.consumers if consumer.receiver is receiver]:
            successor = self._take_out(consumer)
            if successor is not None:
                self._waiting[successor] = None

    def take_back(self, entries: Sequence[QueuedMessage]) -> None:
        """Forget what a channel held that closed; go on with who takes over in its groups."""
        self._settle(entries)
        self.start()

    def _take_out(self, consumer: Consumer) -> StreamReader | None:
        """Take a consumer out; return who of its group is active now in its place."""
        self.consumers.remove(consumer)
        reader = self._readers.pop(consumer)
        self._waiting.pop(reader, None)
        reader.rest()
        group = reader.group
        if group is None:
            return None
        was_active = group.active is reader
        group.members.remove(reader)
        successor = group.active if was_active else None
        if successor is not None:
            successor.offset = group.offset + 1
        return successor

    # -- the end, and what survives

    def purge(self) -> int:
        """Refuse: only retention takes messages out.

        Raises:
            NotImplementedByBroker: always.

        """
        self._refuse_method("queue.purge")

    def delete(self) -> int:
        """End the stream and cancel its consumers; return 0, as RabbitMQ tells its clients."""
        self.deleted = True
        self.journal = None
        self.groups.forget()
        if self.log.store is not None:
            self.log.store.forget()
        self.log = StreamLog()
        self.ready_count = self.ready_bytes = 0
        self._readers.clear()
        self._waiting.clear()
        for consumer in list(self.consumers):
            self.consumers.remove(consumer)
            consumer.receiver.consumer_cancelled(consumer)
        return 0

    def keep_in(self, store: StreamStore) -> None:
        """Have messages from now on kept; those that are there already are the store's own."""
        self.log.store = store

    def restore(self, entry: QueuedMessage) -> None:
        """Append a message of another broker's stream; the first one's offset is kept."""
        if not self.log.segments:
            self.log.next_offset = entry.position
        self.publish(entry.message)

    def restored(self, next_position: int) -> None:
        """Take note that the log has all that was kept. Retention waits for the next segment."""
        self.ready_count, self.ready_bytes = self.log.count, self.log.body_bytes

    def page_out(self, keep: int) -> None:
        """Let what the disk has leave memory, but for what consumers are reading."""
        self.log.evict_all()

    @property
    def memory_bytes(self) -> int:
        """What the messages in memory are worth, each with what it costs beside its body."""
        return self.log.memory_bytes

    # -- looking

    def statistics(self) -> QueueStatistics:
        """Return the figures as they are now; `ready` is the number of messages there are."""
        from leveret.queues.statistics import stream_statistics

        return stream_statistics(super().statistics(), self)

    def check(self) -> None:
        """Assert the invariants: the log's own, and that nobody able waits beside a message."""
        self.log.check()
        self.consumers.check()
        assert [self.ready_count, self.ready_bytes] == [self.log.count, self.log.body_bytes]
        assert list(self._readers) == list(self.consumers)
        for consumer, reader in self._readers.items():
            reader.check()
            assert reader.consumer is consumer
            if self.is_active(consumer) and consumer.can_take():
                assert reader in self._waiting
                assert reader.offset >= self.log.next_offset
        for group in self.groups:
            assert all(self._readers[member.consumer] is member for member in group.members)
