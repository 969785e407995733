"""The broker under test and its socket: made, replaced, taken down and brought up again."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING, Any, cast

from leveret.server.background import serve_in_thread
from leveret.server.limits import ServerLimits
from leveret.testing import state
from leveret.testing.broker import BrokerUnderTest
from leveret.testing.changes import Changes
from leveret.testing.clock import MovableClock
from leveret.testing.faults import Fault, Faults
from leveret.testing.journal import Journal
from leveret.testing.watched import WatchedServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from leveret.server.background import RunningServer
    from leveret.testing.responders import Responder
    from leveret.testing.settings import Settings
    from leveret.testing.state import Snapshot

__all__ = ["Core", "Listening"]

HOST = "127.0.0.1"

#: Clients under test that do not answer are not waited for, and a test of refused logins is not
#: to close its own address out.
LIMITS = ServerLimits(stop_grace_s=0.1, login_failures=1_000_000)

_numbers = itertools.count(1)


class Listening:
    """A listening socket, with one broker behind it at a time, or none while it is down."""

    def __init__(self) -> None:
        self.running: RunningServer | None = None
        self._port = 0

    def serve(self, broker: BrokerUnderTest) -> RunningServer:
        """Put a broker behind the socket; clients of the one before are dropped."""
        if self.running is None:
            self.running = serve_in_thread(
                broker, HOST, self._port, limits=LIMITS, server_type=WatchedServer
            )
            self._port = self.running.port
        else:
            self.running.serve_instead(broker)
        return self.running

    def down(self) -> None:
        """Close the socket: clients are told 320, and new ones are refused by the system."""
        running, self.running = self.running, None
        if running is not None:
            running.close()


class Core:
    """What all that a test can do to a broker builds upon.

    `listening` is a socket to share with other tests, one after the other; None makes one.
    """

    def __init__(self, settings: Settings, listening: Listening | None = None) -> None:
        self.settings = settings
        self._shares_socket = listening is not None
        self._alias = f"leveret-{next(_numbers)}" if listening is not None else None
        self._listening = listening or Listening()
        self._down_with: Snapshot | None = None
        self._recorders: list[Callable[[BrokerUnderTest], object]] = []
        self._responders: list[Responder] = []
        # Faults that last, to be stopped when the test is over or begins anew.
        self._lasting: list[Fault] = []
        self.faults = Faults()
        #: The clock of the broker: `advance("30s")`.
        self.clock = MovableClock(settings.clock, lambda: self.lock)
        # What a test's own functions raised when the server's thread called them.
        self._errors: list[BaseException] = []
        self._journal = Journal()
        self._changes = Changes()
        self._begin(self._make_broker())

    # -- what is there

    @property
    def broker(self) -> BrokerUnderTest:
        """The broker, a `leveret.Broker` that any thread may use; another one after a restart."""
        return self._broker

    @property
    def lock(self) -> AbstractContextManager[object]:
        """What the server holds for each turn: hold it around looks that belong together."""
        return self._running.lock

    @property
    def _looking(self) -> AbstractContextManager[object]:
        """What is held to look at what was written down, also while the broker is stopped."""
        return contextlib.nullcontext() if self._listening.running is None else self.lock

    @property
    def port(self) -> int:
        """The TCP port, on 127.0.0.1."""
        return self._running.port

    @property
    def host(self) -> str:
        """The host to connect to."""
        return HOST

    @property
    def url(self) -> str:
        """Where clients connect, user and virtual host included."""
        return f"amqp://guest:guest@{self.host}:{self.port}/{self._alias or '%2F'}"

    @property
    def virtual_host(self) -> str:
        """The name of the virtual host in `url`; the broker's own name for it is "/"."""
        return self._alias or "/"

    @property
    def _running(self) -> RunningServer:
        running = self._listening.running
        if running is None:
            raise RuntimeError("the broker is stopped: call start() first")
        return running

    @property
    def _server(self) -> WatchedServer:
        return cast("WatchedServer", self._running.server)

    # -- brokers, one after the other

    def _make_broker(self, *, keep_time: bool = False, declare: bool = True) -> BrokerUnderTest:
        from leveret.declare import declare as declare_topology

        settings = self.settings
        topology = settings.loaded()
        profile = settings.profile or (topology.compatibility if topology else "4.2")
        clock = self.clock.renew(keep_time=keep_time)
        broker = BrokerUnderTest(profile, clock, settings.seed, self.faults, self._alias)
        self.clock.attach(broker)
        if declare and topology is not None:
            declare_topology(topology, broker)
        return broker

    def _begin(self, broker: BrokerUnderTest) -> None:
        """Put a broker to work."""
        self._broker = broker
        self._journal.follow(broker)
        for record in self._recorders:
            record(broker)
        running = self._listening.serve(broker)
        with running.lock:
            self._server.changes = self._changes
            running.server.loop.set_exception_handler(self._callback_failed)
        broker.events.subscribe(lambda _: self._changes.tell())
        for responder in self._responders:
            responder.attach(broker)

    def _callback_failed(self, loop: object, context: dict[str, Any]) -> None:
        """Keep what a callback of the test raised: the test fails for it at its end."""
        self._errors.append(context.get("exception") or RuntimeError(context["message"]))

    def record(self, recorder: Callable[[BrokerUnderTest], object]) -> None:
        """Have a recorder look at this broker and at those that come after it."""
        self._recorders.append(recorder)
        recorder(self._broker)

    def reset(self) -> None:
        """Begin anew: a fresh broker with its topology, no client, no message, no fault."""
        self.stop_faults()
        with self.lock:
            self._responders.clear()
            self._journal.leave()
            self._journal = Journal()
            self._begin(self._make_broker())

    def stop_faults(self) -> None:
        """End every fault that is under way."""
        while self._lasting:
            self._lasting.pop().stop()
        self.faults.clear()

    def snapshot(self) -> Snapshot:
        """Return all that is in the broker: objects, messages, policies, users."""
        with self.lock:
            return state.take(self._broker)

    def restore(self, snapshot: Snapshot) -> None:
        """Have everything be as it was in a snapshot; clients are dropped, as by a restart.

        Messages have as long to live as they had then. The journal begins anew.
        """
        with self.lock:
            self._responders.clear()
            self._journal.leave()
            self._journal = Journal()
            broker = self._make_broker(declare=False, keep_time=True)
            state.restore(snapshot, broker, shift_time=True)
            self._begin(broker)

    def stop(self) -> None:
        """Take the broker down: clients are told 320, and cannot connect until `start`."""
        if self._down_with is None:
            with self.lock:
                self._down_with = state.take(self._broker, durable_only=True)
                self._journal.leave()
            self._listening.down()

    def start(self) -> None:
        """Bring the broker up again, on the same port, with all that was durable."""
        snapshot, self._down_with = self._down_with, None
        if snapshot is not None:
            self._begin(self._restarted(snapshot))

    def restart(self) -> None:
        """Restart the broker: clients are told 320 and dropped, only what is durable is kept.

        Durable queues keep persistent messages, quorum queues all; exclusive and transient ones go
        (S39). `stop` and `start` do the same with time in between, when nobody can connect.
        """
        with self.lock:
            snapshot = state.take(self._broker, durable_only=True)
            self._journal.leave()
            self._begin(self._restarted(snapshot))

    def _restarted(self, snapshot: Snapshot) -> BrokerUnderTest:
        self._journal.restarted(snapshot.message_ids(), self.clock.now_ms())
        broker = self._make_broker(keep_time=True, declare=False)
        state.restore(snapshot, broker, shift_time=False)
        return broker

    def close(self) -> None:
        """Let go of everything; a shared socket stays open, with an empty broker behind it."""
        if self._listening.running is not None:
            self.stop_faults()
        self._journal.leave()
        if self._shares_socket and self._listening.running is not None:
            with self.lock:
                self._server.changes = Changes()
                self._listening.serve(
                    BrokerUnderTest("4.2", self.clock.renew(), None, Faults(), "between tests")
                )
        else:
            self._listening.down()
