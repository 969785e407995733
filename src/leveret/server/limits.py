"""What a server grants all its clients together, each limit with its reason."""

from __future__ import annotations

from attrs import field, frozen

from leveret.wire import Limits

__all__ = ["ServerLimits"]


@frozen
class ServerLimits:
    """Limits of a server. Sizes are in bytes, times in seconds."""

    #: Those of each connection: frame size, channels, unsent output, unfinished messages.
    connection: Limits = field(factory=Limits)
    #: Each costs a file descriptor and some 20 KiB; a client that leaks them is stopped in time.
    connections: int = 20_000
    #: RabbitMQ's `handshake_timeout`: a client that opens a socket and says nothing is let go.
    handshake_s: float = 10.0
    #: How long a client may take to answer connection.close, and to read what it was sent before.
    closing_s: float = 10.0
    #: So many refused logins from one address within `login_window_s` close it out for
    #: `login_pause_s`: guessing passwords becomes slow.
    login_failures: int = 10
    login_window_s: float = 60.0
    login_pause_s: float = 10.0
    #: How long one client's input may be worked off before it is the others' turn.
    turn_s: float = 0.005
    #: Messages held at which publishers are stopped; None is RabbitMQ's 40 % of the memory.
    memory_bytes: int | None = None
    #: RabbitMQ's `disk_free_limit`: publishers are stopped when less is free where data is kept.
    disk_free_bytes: int = 50_000_000
    #: How long clients may take to say goodbye when the server stops.
    stop_grace_s: float = 2.0
