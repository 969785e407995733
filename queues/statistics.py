"""What queues and consumers can tell about themselves at one moment.

Imported only when somebody asks: to make these classes takes longer than most programs that embed
the broker take to publish their first message.
"""

from __future__ import annotations

from attrs import frozen

__all__ = ["ConsumerStatistics", "QueueStatistics"]


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
class QueueStatistics:
    """A queue's figures at one moment. Bytes are of bodies."""

    name: str
    type: str
    ready: int
    unacked: int
    delayed: int
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
