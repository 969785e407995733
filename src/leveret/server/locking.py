"""Makes a broker that is served by a thread safe to use from others.

While it is served, the broker, its connections and its channels are of classes whose public
methods hold the lock that the server holds for each turn. They have no state of their own, so
objects can be handed to them and taken back, and a broker that is not served pays nothing.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, TypeVar, cast

from leveret.engine.callbacks import Callbacks
from leveret.engine.connection import Connection
from leveret.engine.requests import Requests

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from leveret.engine.broker import Broker
    from leveret.engine.channel import Channel
    from leveret.engine.ports import ChannelListener

__all__ = ["share"]

T = TypeVar("T")

#: Called within other methods only, and for every message.
_WITHIN = frozenset({"settle"})


def share(broker: Broker, lock: AbstractContextManager[object]) -> Callable[[], None]:
    """Have every public call of a broker hold `lock`; return what undoes that.

    Covers the channels made by `Broker.channel` and `Connection.channel`, those there already
    included. Channels with a listener of their own are left alone: a face made them, and holds
    the lock itself.
    """
    plain = type(broker)
    # plain class of channel -> its locked one
    locked_channels: dict[type[Channel], type[Channel]] = {}

    def locked_channel(channel_type: type[Channel]) -> type[Channel]:
        if channel_type not in locked_channels:
            locked_channels[channel_type] = _locked(channel_type, lock)
        return locked_channels[channel_type]

    locked_connection = _locked(Connection, lock)
    locked_requests = _locked(Requests, lock)
    locked_broker = _locked(plain, lock)

    def channel(
        self: Connection,
        channel_number: int | None = None,
        listener: ChannelListener | None = None,
    ) -> Channel:
        with lock:
            opened = Connection.channel(self, channel_number, listener)
            if listener is None:
                opened.__class__ = locked_channel(type(opened))
            return opened

    def connect(self: Any, virtual_host: str = "/", user: str = "guest") -> Connection:
        with lock:
            connection = plain.connect(self, virtual_host, user)
            connection.__class__ = locked_connection
            return connection

    def requests(self: Any, *args: Any, **kwargs: Any) -> Requests:
        with lock:
            made: Requests = plain.requests(self, *args, **kwargs)  # type: ignore[attr-defined]
            made.__class__ = locked_requests
            return made

    if hasattr(plain, "requests"):  # the broker that people use has it, the engine has not
        locked_broker.requests = requests  # type: ignore[attr-defined]
    locked_connection.channel = channel  # type: ignore[method-assign]
    locked_broker.connect = connect  # type: ignore[method-assign]
    with lock:
        _hand_over(broker, locked_broker, locked_connection, locked_channel)

    def undo() -> None:
        with lock:
            _hand_over(broker, plain, Connection, lambda channel_type: channel_type)

    return undo


def _hand_over(
    broker: Broker,
    broker_class: type[Broker],
    connection_class: type[Connection],
    channel_class: Callable[[type[Channel]], type[Channel]],
) -> None:
    broker.__class__ = broker_class
    for connection in broker.connections:
        connection.__class__ = connection_class
        for channel in connection.channels.values():
            if isinstance(channel.listener, Callbacks):
                channel.__class__ = channel_class(connection.channel_type)


def _locked(cls: type[T], lock: AbstractContextManager[object]) -> type[T]:
    """Return a subclass that adds nothing but a lock around each public method."""
    namespace: dict[str, Any] = {"__slots__": (), "__doc__": cls.__doc__}
    for name, method in inspect.getmembers(cls, inspect.isfunction):
        if not name.startswith("_") and name not in _WITHIN:
            namespace[name] = _holding(lock, method)
    return cast("type[T]", type(f"Locked{cls.__name__}", (cls,), namespace))


def _holding(
    lock: AbstractContextManager[object], method: Callable[..., Any]
) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        with lock:
            return method(*args, **kwargs)

    return call
