"""What queues and consumers can tell about themselves at one moment.

Imported only when somebody asks: to make these classes takes longer than most programs that embed
the broker take to publish their first message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve, frozen

if TYPE_CHECKING:
    from leveret.queues.stream import StreamQueue

__all__ = [
    "ConsumerStatistics",
    "QueueStatistics",
    "StreamGroupStatistics",
    "StreamStatistics",
    "stream_statistics",
]


@frozen
class ConsumerStatistics:
    """A consumer's figures at one moment; `active` is False for one that waits (S84)."""

    tag: str
    queue: str
    no_ack: bool
    exclusive: bool
    priority: int
    prefetch: int
    unacked: int
    delivered: int
    active: bool


@frozen
class StreamGroupStatistics:
    """A consumer group's figures.

    `offset` is the stored one, that of the last message handled with all before it (-1 for none);
    `lag` is how many messages lie behind it.
    """

    name: str
    offset: int
    lag: int
    consumers: int


@frozen
class StreamStatistics:
    """What a stream's log holds: messages from `first_offset` to the one before `next_offset`."""

    first_offset: int
    next_offset: int
    segments: int
    #: How many of the messages are in memory.
    in_memory: int
    groups: tuple[StreamGroupStatistics, ...]

    @property
    def lag(self) -> int:
        """How many messages the group that is furthest behind has before it; 0 without groups."""
        return max((group.lag for group in self.groups), default=0)


@frozen
class QueueStatistics:
    """A queue's figures at one moment. Bytes are of bodies.

    `oldest_age_ms` is for how long the oldest ready message has been there; see
    `Queue.oldest_age_ms` for how exact that is.
    """

    name: str
    type: str
    ready: int
    unacked: int
    delayed: int
    oldest_age_ms: int | None
    ready_bytes: int
    unacked_bytes: int
    published: int
    delivered: int
    redelivered: int
    acked: int
    # reason (rejected, expired, maxlen, delivery_limit) -> messages that died of it
    died: dict[str, int]
    purged: int
    refused: int
    consumers: tuple[ConsumerStatistics, ...]

    #: Messages that were not taken, since they came before (`x-message-deduplication`).
    duplicates: int = 0
    #: None for what is no stream.
    stream: StreamStatistics | None = None

    @property
    def messages(self) -> int:
        """Its depth: all messages it holds."""
        return self.ready + self.unacked + self.delayed

    @property
    def dead_letters(self) -> int:
        """How many messages died in it, of whatever."""
        return sum(self.died.values())


def stream_statistics(figures: QueueStatistics, queue: StreamQueue) -> QueueStatistics:
    """Return a queue's figures with those that only a stream has."""
    log = queue.log
    first = log.first_offset
    groups = tuple(
        StreamGroupStatistics(
            name=group.name,
            offset=group.offset,
            lag=max(log.next_offset - max(group.offset + 1, first), 0),
            consumers=len(group.members),
        )
        for group in queue.groups
    )
    stream = StreamStatistics(first, log.next_offset, len(log.segments), log.held_count, groups)
    return evolve(figures, published=log.next_offset, stream=stream)
