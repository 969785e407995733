"""The broker: virtual hosts, users, connections, timers, on a clock and a source of chance.

The core is a state machine: a call goes in, a result or an AMQP error comes back at once. What a
call sets off beyond itself (dead letters on their way, callbacks to clients) stands in two lines
and is done before the outermost call returns.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from attrs import define, field

from leveret.clock import ManualClock
from leveret.engine.connection import Connection
from leveret.engine.durable import keep_messages
from leveret.engine.events import Events
from leveret.engine.permissions import Permission, User, Users
from leveret.engine.profile import DEFAULT_PROFILE, Profile
from leveret.engine.replies import Replies
from leveret.engine.timers import Timers
from leveret.engine.virtual_host import VirtualHost
from leveret.errors import ConnectionForced, NotAllowed
from leveret.exchanges import ExchangeTypes

if TYPE_CHECKING:
    from collections.abc import Callable

    from leveret.clock import Clock
    from leveret.engine.ports import AwaitsDurability, Journal, Random
    from leveret.engine.statistics import BrokerStatistics

__all__ = ["DEFAULT_CONSUMER_TIMEOUT_MS", "Broker"]

#: RabbitMQ's `consumer_timeout`: 30 minutes (S86).
DEFAULT_CONSUMER_TIMEOUT_MS = 1_800_000

#: The password `guest`, which is no secret, hashed beforehand: to hash it takes an import of 5 ms.
_GUEST_HASH = "aGFyZZ0XXC1KuzqeWVzLklr6D6OI9m/AZPNQ1hfOqzH8nh2n"


@define(eq=False)
class Broker:
    """The engine. It is not thread-safe; the faces around it are.

    `clock` tells it the time, `random` decides what chance decides (server-made names, salts,
    the random exchange). `consumer_timeout_ms` is how long a delivery may stay unacknowledged;
    None is for ever.
    """

    clock: Clock
    random: Random
    profile: Profile = DEFAULT_PROFILE
    consumer_timeout_ms: int | None = DEFAULT_CONSUMER_TIMEOUT_MS
    exchange_types: ExchangeTypes = field(factory=ExchangeTypes)
    #: Where what is durable is noted; None keeps nothing beyond the process.
    journal: Journal | None = field(default=None, init=False)
    #: Whether queues know the age of their oldest message; see `keep_ages`.
    keeps_ages: bool = field(init=False)
    users: Users = field(factory=Users, init=False)
    timers: Timers = field(factory=Timers, init=False)
    events: Events = field(factory=Events, init=False)
    replies: Replies = field(init=False)
    # name -> virtual host
    virtual_hosts: dict[str, VirtualHost] = field(factory=dict, init=False)
    #: Dead letters on their way.
    work: deque[Callable[[], None]] = field(factory=deque, init=False)
    #: Calls to clients, made when the broker is at rest.
    outbox: deque[Callable[[], object]] = field(factory=deque, init=False)
    connections: list[Connection] = field(factory=list, init=False)
    _settling: bool = field(default=False, init=False)
    _last_queue_id: int = field(default=0, init=False)
    # Who has something to tell once a group is durable.
    _awaiting: list[AwaitsDurability] = field(factory=list, init=False)
    # The last group that is durable.
    _durable_group: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.keeps_ages = isinstance(self.clock, ManualClock)
        self.replies = Replies(self.random)
        self.add_virtual_host("/")
        guest = User("guest", _GUEST_HASH, frozenset({"administrator"}))
        self.users.add(guest)
        self.users.set_permission("guest", "/", Permission())

    # -- virtual hosts and connections

    def add_virtual_host(self, name: str) -> VirtualHost:
        """Return the virtual host of that name, made now or there before."""
        if name not in self.virtual_hosts:
            self.virtual_hosts[name] = host = VirtualHost(name, self)
            host.note("virtual_host", (), {})
        return self.virtual_hosts[name]

    def remove_virtual_host(self, name: str) -> None:
        """Delete a virtual host with all it holds; its connections are closed."""
        host = self.virtual_hosts.pop(name, None)
        if host is None:
            return
        for connection in [c for c in self.connections if c.virtual_host is host]:
            connection.terminate(ConnectionForced(f"vhost '{name}' is deleted"))
        host.remove_all()
        for user in self.users.with_access(name):
            self.users.clear_permission(user, name)
        host.note("virtual_host", (), None)
        self.settle()

    def connect(self, virtual_host: str = "/", user: str = "guest") -> Connection:
        """Open a connection of a user, whoever vouches for it, to a virtual host (S121).

        Raises:
            NotAllowed: there is no such virtual host, or the user may not use it.

        """
        host = self.virtual_hosts.get(virtual_host)
        if host is None:
            raise NotAllowed(f"vhost {virtual_host} not found").at(10, 40, "connection.open")
        access = self.users.access(user, virtual_host)
        if access is None:
            raise NotAllowed(f"access to vhost '{virtual_host}' refused for user '{user}'").at(
                10, 40, "connection.open"
            )
        connection = Connection(self, host, access)
        self.connections.append(connection)
        return connection

    # -- durability

    def attach(self, journal: Journal) -> None:
        """Note in a journal what is durable from now on.

        Objects restored from it are in place by then; queues that are there already keep their
        messages in it from here.
        """
        self.journal = journal
        self._durable_group = journal.group - 1
        self.users.note = journal.changed
        for host in self.virtual_hosts.values():
            for queue in host.queues.values():
                if queue.journal_id:
                    keep_messages(queue, journal)

    def new_queue_id(self) -> int:
        """Return an id for a durable queue that no other ever had."""
        self._last_queue_id += 1
        return self._last_queue_id

    def queue_id_used(self, queue_id: int) -> None:
        """Take note of an id that is in use."""
        self._last_queue_id = max(self._last_queue_id, queue_id)

    def undurable(self) -> int:
        """Return the last group that holds what is not durable yet; 0 where nothing does."""
        journal = self.journal
        if journal is None:
            return 0
        last = journal.group if journal.has_news else journal.group - 1
        return last if last > self._durable_group else 0

    def await_durable(self, waiting: AwaitsDurability) -> None:
        """Have somebody told when the next groups are durable."""
        if waiting not in self._awaiting:
            self._awaiting.append(waiting)

    def durable(self, group: int) -> None:
        """Take note that all records up to a group are durable: confirms for them may leave."""
        self._durable_group = group
        awaiting, self._awaiting = self._awaiting, []
        for waiting in awaiting:
            if waiting.release(group):
                self._awaiting.append(waiting)
        self.settle()

    # -- time and turns

    def next_deadline_ms(self) -> int | None:
        """Return when `run_due` next has something to do, in milliseconds; None for never."""
        return self.timers.next_deadline_ms()

    def run_due(self) -> None:
        """Do everything that is due by now, in the order of its deadlines."""
        while (call := self.timers.pop_due(self.clock.now_ms())) is not None:
            call()
            self.settle()

    def settle(self) -> None:
        """Bring everything that the last operation set off to its end.

        A callback may call the broker again; what that sets off comes after what waits already.
        An exception from a callback goes to the caller of the outermost operation, and the
        callbacks behind it are made with the next one.
        """
        if self._settling:
            return
        self._settling = True
        try:
            while self.work or self.outbox:
                while self.work:
                    self.work.popleft()()
                if self.outbox:
                    self.outbox.popleft()()
        finally:
            self._settling = False

    # -- looking

    def keep_ages(self) -> None:
        """Have queues know the age of their oldest message, for `statistics`, from now on.

        Measured: that costs 7 % of a publish, get and ack in process, so that it begins when
        somebody asks: with this call, with the first `statistics`, with a server, and with a
        broker on a `ManualClock`.
        """
        if not self.keeps_ages:
            self.keeps_ages = True
            for host in self.virtual_hosts.values():
                host.keep_ages()

    def statistics(self) -> BrokerStatistics:
        """Return the figures as they are now."""
        self.keep_ages()
        from leveret.engine.statistics import BrokerStatistics

        hosts = tuple(host.statistics() for host in self.virtual_hosts.values())
        channels = [c for connection in self.connections for c in connection.channels.values()]
        return BrokerStatistics(
            ready=sum(host.ready for host in hosts),
            unacked=sum(host.unacked for host in hosts),
            bytes=sum(host.bytes for host in hosts),
            published=sum(host.published for host in hosts),
            routed=sum(host.routed for host in hosts),
            connections=len(self.connections),
            channels=tuple(channel.statistics() for channel in channels),
            virtual_hosts=hosts,
            delayed=sum(host.delayed for host in hosts),
        )

    def check(self) -> None:
        """Assert the invariants of everything in the broker."""
        for host in self.virtual_hosts.values():
            host.check()
        for connection in self.connections:
            connection.check()
        for host in self.virtual_hosts.values():
            for queue in host.queues.values():
                channels = (c for con in self.connections for c in con.channels.values())
                assert queue.unacked == sum(channel.unacked_of(queue) for channel in channels)
