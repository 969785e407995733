"""What a broker can tell about itself at one moment: frozen figures, counted since it was made.

Rates are the caller's to work out from two readings. Imported only when somebody asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from leveret.engine.unroutable import Unroutable
    from leveret.queues.statistics import ConsumerStatistics, QueueStatistics

__all__ = [
    "BrokerStatistics",
    "ChannelStatistics",
    "ExchangeStatistics",
    "ValidatorStatistics",
    "VirtualHostStatistics",
]


@frozen
class ExchangeStatistics:
    """An exchange's figures. `published` counts messages that clients published to it.

    `delayed` counts those held back now, to be routed through it later.
    """

    name: str
    type: str
    bindings: int
    published: int
    routed: int
    unroutable: int
    delayed: int = 0
    #: Messages that were dropped, since they came before (`x-message-deduplication`).
    duplicates: int = 0


@frozen
class ChannelStatistics:
    """A channel's figures; `unconfirmed` counts published messages not yet answered."""

    number: int
    user: str
    unacked: int
    unconfirmed: int
    prefetch: int
    global_prefetch: int
    confirms: bool
    transactional: bool
    consumers: tuple[ConsumerStatistics, ...]


@frozen
class ValidatorStatistics:
    """What was found in messages for one exchange or queue with a validator, such as schemas.

    `violations` counts messages with something wrong, `refused` those of them that were refused.
    """

    kind: str  # "exchange" or "queue"
    name: str
    checked: int
    violations: int
    refused: int


@frozen
class VirtualHostStatistics:
    """A virtual host's figures. `delayed` counts messages held back, which are in no queue yet."""

    name: str
    ready: int
    unacked: int
    bytes: int
    published: int
    routed: int
    unroutable: tuple[Unroutable, ...]
    dead_letter_cycles: int
    exchanges: tuple[ExchangeStatistics, ...]
    queues: tuple[QueueStatistics, ...]
    delayed: int = 0
    validators: tuple[ValidatorStatistics, ...] = ()


@frozen
class BrokerStatistics:
    """A broker's figures: the sums over its virtual hosts, and each of those."""

    ready: int
    unacked: int
    bytes: int
    published: int
    routed: int
    connections: int
    channels: tuple[ChannelStatistics, ...]
    virtual_hosts: tuple[VirtualHostStatistics, ...]
    #: Messages held back until a time, in no queue yet.
    delayed: int = 0
