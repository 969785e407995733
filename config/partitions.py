"""`partitions: 8, by: header user_id`: a queue in parts, each of which keeps its messages in order.

The messages go to a consistent-hash exchange of the queue's name, and from there to queues of one
active consumer each: what is alike in the part that is hashed meets in one queue, and is handled
in order there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from leveret.config.model import ExchangeDeclaration
from leveret.config.names import MAX_NAME_BYTES
from leveret.config.source import quoted

if TYPE_CHECKING:
    from leveret.config.entries import QueueEntry
    from leveret.config.host import HostBuilder
    from leveret.config.model import VirtualHost

__all__ = ["MAX_PARTITIONS", "PARTITION_WEIGHT", "expand_partitions", "partitions_of"]

#: Each takes a hundred points on the ring, and a consumer in every worker.
MAX_PARTITIONS = 1_000

#: The key of each partition's binding: all get the same share.
PARTITION_WEIGHT = "1"

_SAC = "x-single-active-consumer"


def expand_partitions(builder: HostBuilder) -> None:
    """Make the exchange and the queues of each queue with `partitions`, once all are declared."""
    for name, entry, shared in builder.partitioned_queues:
        builder.partitions[name] = ()
        if _is_sound(name, entry, builder):
            _expand(name, entry, shared, builder)


def _is_sound(name: str, entry: QueueEntry, builder: HostBuilder) -> bool:
    """Report what stands in the way of partitions; say whether nothing does."""
    for key, other, example in (
        ("partitions", "by", "by: header user_id"),
        ("by", "partitions", "partitions: 8"),
    ):
        if key in entry.nodes and other not in entry.nodes:
            entry.nodes[key].fault(f"'{key}' needs '{other}' beside it", f"Add '{example}'.")
    count = entry.partitions
    if count is None or entry.by is None:
        return False
    node = entry.nodes["partitions"]
    if not 1 <= count <= MAX_PARTITIONS:
        node.fault(
            f"partitions is {count:,}; it can be 1 to {MAX_PARTITIONS:,}",
            "Write how many consumers may share the work one day: the number stays.",
        )
        return False
    if entry.single_active_consumer is False:
        entry.nodes["single_active_consumer"].fault(
            "each partition has a single active consumer, which is what keeps its order",
            "Remove 'single_active_consumer', or 'partitions'.",
        )
    if len(f"{name}.{count}".encode()) > MAX_NAME_BYTES:
        node.fault(
            f"'partitions' makes {quoted(f'{name}.{count}')}, and that name is too long",
            "Shorten the queue's name.",
        )
        return False
    if (place := builder.exchange_nodes.get(name)) is not None:
        node.fault(
            f"'partitions' makes an exchange {quoted(name)}, and {place.position} declares one",
            "Rename one of the two, and let the bindings lead to the queue.",
        )
        return False
    for queue in _names(name, count):
        if (place := builder.queue_nodes.get(queue)) is not None:
            node.fault(
                f"'partitions' makes a queue {quoted(queue)}, and {place.position} declares one",
                "Rename one of the two.",
            )
            return False
    return True


def _names(name: str, count: int) -> list[str]:
    return [f"{name}.{number}" for number in range(1, count + 1)]


def _expand(name: str, entry: QueueEntry, shared: list[QueueEntry], builder: HostBuilder) -> None:
    assert entry.partitions is not None
    assert entry.by is not None
    node, origin = entry.node, f"partitions: {entry.partitions}"
    layers = [*shared, evolve(entry, single_active_consumer=None)]
    queues = _names(name, entry.partitions)
    first = queues[0]
    builder.declare_queue(first, node, layers, family=name)
    made = builder.host.queues[first]
    made = evolve(made, arguments={**made.arguments, _SAC: True}, origin=origin)
    for queue in queues:
        builder.queue_nodes[queue] = node
        builder.host.queues[queue] = evolve(made, name=queue)
    builder.partitions[name] = tuple(queues)
    builder.note_dead_letter(name, entry, shared)
    exchange = ExchangeDeclaration(
        name,
        "x-consistent-hash",
        durable=made.durable,
        auto_delete=made.auto_delete,
        arguments=entry.by.arguments,
        position=node.position,
        ignored=made.ignored,
        origin=origin,
    )
    builder.add_exchange(exchange, node)


def partitions_of(host: VirtualHost) -> dict[str, tuple[str, ...]]:
    """Return what `VirtualHost.partitions` does."""
    bound: dict[str, set[str]] = {
        name: set()
        for name, exchange in host.exchanges.items()
        if exchange.type == "x-consistent-hash" and name not in host.queues
    }
    for binding in host.bindings if bound else ():
        if binding.source in bound and binding.destination_type == "queue":
            bound[binding.source].add(binding.destination)
    found: dict[str, tuple[str, ...]] = {}
    for name, queues in bound.items():
        names = _names(name, len(queues))
        if names and queues == set(names) and all(_is_exclusive(host, one) for one in names):
            found[name] = tuple(names)
    return found


def _is_exclusive(host: VirtualHost, queue: str) -> bool:
    declared = host.queues.get(queue)
    return declared is not None and declared.arguments.get(_SAC) is True
