"""Faults, each shown to clients as a real broker shows it: the methods of `amqp` that break things.

What lasts returns a `Fault`: leave it as a context, or call its `stop()`; the end of the test does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from leveret import errors
from leveret.testing.durations import milliseconds
from leveret.testing.faults import Fault, RefusedDeclare
from leveret.testing.idle import client_name
from leveret.testing.waiting import Waiting
from leveret.wire import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from leveret.errors import AMQPError
    from leveret.server.transport import ClientTransport
    from leveret.testing.durations import Duration

__all__ = ["Breaking"]

E = TypeVar("E", bound=errors.AMQPError)

#: Reply code -> the error that closes a channel with it (AMQP 0-9-1 section 1.2).
_SOFT = {error.reply_code: error for error in errors.ChannelClosedByBroker.__subclasses__()}

#: Reply code -> the error that closes a connection with it.
_HARD = {error.reply_code: error for error in errors.ConnectionClosedByBroker.__subclasses__()}


class Breaking(Waiting):
    """What can be made to go wrong."""

    def _clients(self, client: str) -> list[ClientTransport]:
        """Return the clients whose connection name, or address, has this text in it."""
        return [one for one in self._server.clients if client in client_name(one)]

    def _fault(self, stop: Callable[[], None], *, in_loop: bool = False) -> Fault:
        """Return what ends a fault; `stop` is called with the lock held."""

        def ended() -> None:
            if self._listening.running is None:
                return
            if in_loop:
                self._in_loop(stop)
            else:
                with self.lock:
                    stop()

        fault = Fault(ended)
        self._lasting.append(fault)
        return fault

    # -- connections

    def drop_connections(self, client: str = "") -> int:
        """Cut connections without a word, as a dying network does; return how many.

        `client` picks those whose connection name contains it; "" is all.
        """
        clients: list[ClientTransport] = []

        def drop() -> None:
            clients.extend(self._clients(client))
            for one in clients:
                one.abort()

        self._in_loop(drop)
        self._turn()  # asyncio closes the sockets in the turn after
        return len(clients)

    def close_connections(
        self,
        code: int = 320,
        text: str = "broker forced connection closure with reason 'shutdown'",
        client: str = "",
    ) -> int:
        """Close connections with connection.close, as an operator does; return how many.

        320 is CONNECTION_FORCED. The client is given time to answer with connection.close-ok.

        Raises:
            ValueError: the code is none that closes a connection.

        """
        kind = _known(_HARD, code, "connection")
        with self.lock:
            clients = self._clients(client)
            for one in clients:
                one.connection.close(kind(text))
        return len(clients)

    def cut_frame(self, client: str = "") -> int:
        """Cut connections in the middle of the next frame they are sent; return how many."""
        with self.lock:
            clients = self._clients(client)
            for one in clients:
                _cut_next_frame(one)
        return len(clients)

    def refuse_logins(self, times: int | None = None) -> Fault:
        """Refuse logins, whatever the password: the next `times`, or all until stopped (403)."""
        faults = self.faults

        def stop() -> None:
            faults.logins = 0

        with self.lock:
            faults.logins = -1 if times is None else times
            return self._fault(stop)

    def block_connections(self) -> Fault:
        """Set the memory alarm: publishers are told connection.blocked and not read (S125)."""
        server = self._server
        self._in_loop(lambda: server.ring(True))
        return self._fault(lambda: server.ring(False), in_loop=True)

    # -- channels and declarations

    def close_channels(
        self, code: int = 406, text: str = "closed by the test", client: str = ""
    ) -> int:
        """Close every channel of clients with an error of the channel; return how many.

        Raises:
            ValueError: the code is none that closes a channel.

        """
        kind = _known(_SOFT, code, "channel")
        with self.lock:
            channels = [
                channel.engine
                for one in self._clients(client)
                for channel in one.connection.channels.values()
                if not channel.closing
            ]
            for channel in channels:
                channel.terminate(kind(text))
            self._broker.settle()
        return len(channels)

    def refuse_declares(
        self, times: int = 1, name: str = "*", *, code: int = 406, text: str = ""
    ) -> Fault:
        """Refuse declarations of queues and exchanges, closing the channel that asks.

        The next `times`, of names that fit `name` with its `*` and `?`. Without `text` it is that
        of an inequivalent argument.

        Raises:
            ValueError: the code is none that closes a channel.

        """
        kind = _known(_SOFT, code, "channel")

        def make_error(resource: str, _: str) -> AMQPError:
            return kind(
                text
                or f"inequivalent arg 'durable' for {resource}: received 'true' but current is"
                " 'false'"
            )

        faults, refused = self.faults, RefusedDeclare(times, name, make_error)

        def stop() -> None:
            refused.times = 0

        with self.lock:
            faults.declares.append(refused)
            return self._fault(stop)

    # -- confirms

    def nack_publishes(self, times: int = 1) -> Fault:
        """Answer the next publishes in confirm mode with basic.nack, and drop the messages."""
        faults = self.faults

        def stop() -> None:
            faults.nacks = 0

        with self.lock:
            faults.nacks = times
            return self._fault(stop)

    def hold_confirms(self) -> Fault:
        """Take messages and confirm none until stopped; then all are confirmed."""
        faults = self.faults

        def stop() -> None:
            faults.confirms_held = False
            for connection in self._broker.connections:
                for channel in connection.channels.values():
                    channel.flush_confirms()

        with self.lock:
            faults.confirms_held = True
            return self._fault(stop)

    # -- deliveries

    def slow_deliveries(self, gap: Duration) -> Fault:
        """Leave at least `gap` of the broker's time between two deliveries on one channel."""
        faults = self.faults

        def stop() -> None:
            faults.delivery_gap_ms = 0
            for connection in self._broker.connections:
                for channel in list(connection.channels.values()):
                    channel.wait_no_more()  # type: ignore[attr-defined]
            self._broker.settle()

        with self.lock:
            faults.delivery_gap_ms = milliseconds(gap)
            return self._fault(stop)

    def deliver_twice(self, times: int = 1) -> Fault:
        """Lose the next acknowledgements: what they were for is delivered again, as redelivered."""
        faults = self.faults

        def stop() -> None:
            faults.lost_acks = 0

        with self.lock:
            faults.lost_acks = times
            return self._fault(stop)


def _known(kinds: dict[int, type[E]], code: int, what: str) -> type[E]:
    if code not in kinds:
        raise ValueError(f"{code} closes no {what}; these do: {', '.join(map(str, kinds))}")
    return kinds[code]


def _cut_next_frame(client: ClientTransport) -> None:
    """Have the next output of a client's connection be half a frame, and the last."""
    connection = client.connection
    take_output = connection.take_output

    def take_half() -> list[bytes]:
        out = b"".join(take_output())
        if not out:
            return []
        size = int.from_bytes(out[3:7], "big") + 8
        connection.state = State.CLOSED  # the transport is closed behind what is written
        return [out[: size // 2]]

    connection.take_output = take_half  # type: ignore[method-assign]
