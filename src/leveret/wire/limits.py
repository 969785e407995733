"""What a server grants a client, each limit with its reason."""

from __future__ import annotations

from attrs import frozen

__all__ = ["Limits"]


@frozen
class Limits:
    """Limits of one connection. Sizes are in bytes, times in seconds."""

    #: RabbitMQ's `frame_max`. A larger frame would let one client hold the others up for longer.
    frame_max: int = 131_072
    #: RabbitMQ's `channel_max`: a client that leaks channels is stopped before it hurts.
    channel_max: int = 2047
    #: RabbitMQ's `heartbeat`: half-open connections are found within two of these.
    heartbeat_s: int = 60
    #: Before it is authenticated, a client may send no larger frame: nothing then needs more.
    handshake_frame_max: int = 8192
    #: Unsent output at which deliveries to a connection pause, and at which they resume: a
    #: consumer that does not read must not fill the memory of the broker.
    output_high: int = 4 * 1024 * 1024
    output_low: int = 1024 * 1024
    #: Pieces of output, a small message each, at which deliveries wait for the next turn: some
    #: milliseconds, and it is the others' turn, however many messages there are.
    output_pieces: int = 1024
    #: Unsent output at which a client is not read any more: one that asks and asks (basic.get)
    #: and never reads the answers.
    output_stop: int = 16 * 1024 * 1024
    #: Bodies under way on all channels of one connection: RabbitMQ's largest message, twice.
    unfinished_max: int = 256 * 1024 * 1024
