"""All that a broker holds, as values: taken out of one broker, and put into another.

This is what `snapshot` keeps, and what outlives a restart. Exclusive queues belong to a connection
and are not part of it; nor are messages that wait for a delayed retry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from attrs import evolve, field, frozen

from leveret.engine.durable import restore as restore_user
from leveret.engine.traced import TracedChannel
from leveret.engine.virtual_host_base import PREDECLARED_EXCHANGES
from leveret.queues import QueuedMessage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from leveret.engine.broker import Broker
    from leveret.engine.delays import HeldMessage
    from leveret.engine.policies import Policy
    from leveret.engine.virtual_host import VirtualHost
    from leveret.exchanges import Exchange
    from leveret.properties import FieldTable, FieldValue
    from leveret.queues import Queue
    from leveret.queues.stream import StreamQueue
    from leveret.routing import Binding
    from leveret.testing.broker import BrokerUnderTest

__all__ = ["Snapshot", "held_messages", "restore", "take"]


@frozen
class _ExchangeState:
    name: str
    type: str
    durable: bool
    auto_delete: bool
    internal: bool
    arguments: FieldTable


@frozen
class _QueueState:
    name: str
    durable: bool
    auto_delete: bool
    arguments: FieldTable
    #: Ready messages, and those that were out with consumers, in the order of the queue.
    entries: tuple[QueuedMessage, ...] = field(repr=False)
    #: consumer group of a stream -> its stored offset
    offsets: dict[str, int] = field(factory=dict)


@frozen
class _HostState:
    exchanges: tuple[_ExchangeState, ...]
    queues: tuple[_QueueState, ...]
    bindings: tuple[Binding, ...]
    policies: tuple[Policy, ...]
    operator_policies: tuple[Policy, ...]
    #: Messages held back until a time.
    delayed: tuple[HeldMessage, ...]


@frozen
class Snapshot:
    """A broker at one moment. It can be restored any number of times."""

    time_ms: int
    #: Virtual host -> what was there.
    hosts: Mapping[str, _HostState] = field(repr=False)
    # (kind, key) -> value
    _users: Mapping[tuple[str, tuple[str, ...]], Mapping[str, FieldValue]] = field(repr=False)

    @property
    def users(self) -> Mapping[tuple[str, tuple[str, ...]], Mapping[str, FieldValue]]:
        """Users and permissions, as `leveret.engine.durable` knows them."""
        return self._users

    def message_ids(self) -> set[int]:
        """Return the ids of the message objects in it."""
        hosts = self.hosts.values()
        queues = (queue for host in hosts for queue in host.queues)
        queued = {id(entry.message) for queue in queues for entry in queue.entries}
        return queued | {id(held.message) for host in hosts for held in host.delayed}


def held_messages(broker: Broker) -> Iterator[tuple[TracedChannel, QueuedMessage]]:
    """Yield what channels hold unsettled, with the channel."""
    for connection in broker.connections:
        for channel in connection.channels.values():
            if isinstance(channel, TracedChannel):
                for entry in channel.held():
                    yield channel, entry


def take(broker: BrokerUnderTest, *, durable_only: bool = False) -> Snapshot:
    """Return what a broker holds; messages with consumers count as returned to their queues.

    `durable_only` leaves out what a restart of RabbitMQ would not keep (S39): objects that are not
    durable, and messages that are not persistent, but for those of quorum queues.
    """
    # queue -> what consumers hold of it
    held: dict[Queue, list[QueuedMessage]] = {}
    for _, entry in held_messages(broker):
        held.setdefault(entry.queue, []).append(entry)
    hosts = {
        name: _take_host(host, held, durable_only) for name, host in broker.virtual_hosts.items()
    }
    return Snapshot(broker.clock.now_ms(), hosts, dict(broker.known_users.known))


def _take_host(
    host: VirtualHost, held: Mapping[Queue, list[QueuedMessage]], durable_only: bool
) -> _HostState:
    exchanges = [e for e in host.exchanges.values() if e.durable or not durable_only]
    queues = [
        queue
        for queue in host.queues.values()
        if queue.exclusive_owner is None and (queue.durable or not durable_only)
    ]
    sources = {exchange.name for exchange in exchanges}
    destinations = {("exchange", name) for name in sources} | {("queue", q.name) for q in queues}
    return _HostState(
        tuple(_take_exchange(e) for e in exchanges if e.name not in ("", *PREDECLARED_EXCHANGES)),
        tuple(_take_queue(queue, held.get(queue, []), durable_only) for queue in queues),
        tuple(
            binding
            for binding in host.bindings
            if binding.source in sources
            and (binding.destination_type, binding.destination) in destinations
        ),
        tuple(host.policies.policies.values()),
        tuple(host.policies.operator_policies.values()),
        tuple(held for held in host.delays if held.message.is_persistent or not durable_only),
    )


def _take_exchange(exchange: Exchange) -> _ExchangeState:
    return _ExchangeState(
        exchange.name,
        exchange.type,
        exchange.durable,
        exchange.auto_delete,
        exchange.internal,
        dict(exchange.arguments),
    )


def _take_queue(queue: Queue, held: list[QueuedMessage], durable_only: bool) -> _QueueState:
    if queue.settings.type == "stream":
        stream = cast("StreamQueue", queue)
        offsets = {group.name: group.offset for group in stream.groups}
        return _QueueState(
            queue.name, True, False, dict(queue.arguments), tuple(queue.ready), offsets
        )
    quorum = queue.settings.type == "quorum"
    entries = [
        *(evolve(entry, redelivered=True, consumer=None, stored=False) for entry in held),
        *queue.ready,
    ]
    if not quorum:  # they return to where they stood (S80); a quorum queue's go first
        entries.sort(key=lambda entry: entry.position)
    if durable_only and not quorum:
        entries = [entry for entry in entries if entry.message.is_persistent]
    return _QueueState(
        queue.name, queue.durable, queue.auto_delete, dict(queue.arguments), tuple(entries)
    )


def restore(snapshot: Snapshot, broker: Broker, *, shift_time: bool) -> None:
    """Put everything into a fresh broker.

    With `shift_time`, messages have as long to live as they had when the snapshot was taken; else
    they expire at the same instant.
    """
    shift_ms = broker.clock.now_ms() - snapshot.time_ms if shift_time else 0
    hosts = [(broker.add_virtual_host(name), state) for name, state in snapshot.hosts.items()]
    for (kind, key), value in snapshot.users.items():
        restore_user(broker, kind, key, value)
    for host, state in hosts:
        for policy in state.policies:
            host.set_policy(policy)
        for policy in state.operator_policies:
            host.set_policy(policy, operator=True)
        for exchange in state.exchanges:
            host.declare_exchange(
                exchange.name,
                exchange.type,
                durable=exchange.durable,
                auto_delete=exchange.auto_delete,
                internal=exchange.internal,
                arguments=exchange.arguments,
            )
        for queue in state.queues:
            _restore_queue(host, queue, shift_ms)
        for binding in state.bindings:
            host.bind(binding, None)
        for held in state.delayed:
            host.delays.restore(evolve(held, due_ms=held.due_ms + shift_ms))
    broker.settle()


def _first_position(queue: Queue, state: _QueueState) -> int:
    """Return where the first message stands: in a stream, at the offset that it had."""
    if queue.settings.type == "stream" and state.entries:
        return state.entries[0].position
    return 0


def _restore_queue(host: VirtualHost, state: _QueueState, shift_ms: int) -> None:
    queue = host.declare_queue(
        state.name,
        durable=state.durable,
        owner=None,
        auto_delete=state.auto_delete,
        arguments=state.arguments,
    )
    for name, offset in state.offsets.items():
        cast("StreamQueue", queue).groups.restore(name, offset)
    for position, entry in enumerate(state.entries, _first_position(queue, state)):
        expires_at_ms = None if entry.expires_at_ms is None else entry.expires_at_ms + shift_ms
        queue.restore(
            QueuedMessage(
                entry.message,
                queue,
                position,
                expires_at_ms,
                entry.redelivered,
                entry.delivery_count,
            )
        )
    queue.restored(len(state.entries))
