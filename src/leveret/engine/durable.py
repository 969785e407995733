"""What of a broker survives a restart: its durable objects as plain values, and back (S39).

A journal keeps each object under a kind and a key (`ports.Journal.changed`); `restore` makes the
object again. Messages are restored by their queues.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from leveret.engine.delays import HeldMessage
from leveret.engine.permissions import Permission, TopicPermission, User
from leveret.engine.policies import Policy
from leveret.routing import Binding
from leveret.routing.values import table_form

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leveret.engine.broker import Broker
    from leveret.engine.ports import Journal
    from leveret.exchanges import Exchange
    from leveret.properties import FieldValue
    from leveret.queues import Queue
    from leveret.queues.stream import StreamQueue

__all__ = ["KINDS", "forget_defaults", "note_all", "restore"]

#: The kinds of object, in the order in which they can be made again.
KINDS = (
    "virtual_host",
    "user",
    "permission",
    "topic_permission",
    "policy",
    "operator_policy",
    "exchange",
    "queue",
    "binding",
    "held_ids",
    "held_message",
    "identifier",
    "stream_offset",
)


def keep_messages(queue: Queue, journal: Journal) -> None:
    """Have a journal keep the messages of a durable queue, which it knows by `journal_id`."""
    queue.journal = journal.queue_journal(queue.journal_id)
    if queue.settings.type == "stream":
        stream = cast("StreamQueue", queue)
        stream.keep_in(journal.stream_store(queue.journal_id, stream.log.next_offset))


def exchange_value(exchange: Exchange) -> dict[str, FieldValue]:
    """Return what has to be known to declare an exchange again."""
    return {
        "type": exchange.type,
        "auto_delete": exchange.auto_delete,
        "internal": exchange.internal,
        "arguments": dict(exchange.arguments),
    }


def queue_value(queue: Queue) -> dict[str, FieldValue]:
    """Return what has to be known to declare a queue again."""
    return {
        "id": queue.journal_id,
        "auto_delete": queue.auto_delete,
        "arguments": dict(queue.arguments),
    }


def binding_key(binding: Binding) -> tuple[str, ...]:
    """Return the identity of a binding within its virtual host (S32)."""
    return (
        binding.source,
        binding.destination_type,
        binding.destination,
        binding.routing_key,
        repr(table_form(binding.arguments)),
    )


def binding_value(binding: Binding) -> dict[str, FieldValue]:
    """Return what the identity of a binding does not say."""
    return {"arguments": dict(binding.arguments)}


def policy_value(policy: Policy) -> dict[str, FieldValue]:
    """Return what has to be known to set a policy again."""
    return {
        "pattern": policy.pattern,
        "definition": dict(policy.definition),
        "apply_to": policy.apply_to,
        "priority": policy.priority,
    }


def note_all(broker: Broker) -> None:
    """Note what a new broker begins with, in a journal that is new too."""
    assert broker.journal is not None
    for host in broker.virtual_hosts.values():
        host.note("virtual_host", (), {})
    broker.users.note_all()


def forget_defaults(broker: Broker) -> None:
    """Take away what a new broker begins with, before what a journal kept takes its place."""
    broker.users.remove("guest")
    for name in list(broker.virtual_hosts):
        broker.remove_virtual_host(name)


def restore(
    broker: Broker, kind: str, key: tuple[str, ...], value: Mapping[str, FieldValue]
) -> None:
    """Make an object again as a journal kept it; the broker has no journal yet.

    Raises:
        KeyError: an object that it belongs to is not there.
        ValueError: the kind is not one of `KINDS`, or a pattern is not a regular expression.

    """
    fields = cast("Mapping[str, Any]", value)
    match kind:
        case "virtual_host":
            broker.add_virtual_host(*key)
        case "user":
            (name,) = key
            broker.users.add(User(name, fields["password_hash"], frozenset(fields["tags"])))
        case "permission":
            name, host = key
            broker.users.set_permission(name, host, Permission(**fields))
        case "topic_permission":
            name, host, exchange = key
            broker.users.set_topic_permission(name, host, exchange, TopicPermission(**fields))
        case "policy" | "operator_policy":
            name, policy = key
            operator = kind == "operator_policy"
            broker.virtual_hosts[name].set_policy(Policy(policy, **fields), operator=operator)
        case "exchange":
            _restore_exchange(broker, key, fields)
        case "queue":
            _restore_queue(broker, key, fields)
        case "binding":
            host, source, destination_type, destination, routing_key, _ = key
            binding = Binding(
                source,
                destination,
                routing_key,
                "queue" if destination_type == "queue" else "exchange",
                fields["arguments"],
            )
            broker.virtual_hosts[host].bind(binding, None)
        case "held_ids":
            (host,) = key
            broker.virtual_hosts[host].delays.restore_ids(fields["below"])
        case "held_message":
            host, held_id = key
            broker.virtual_hosts[host].delays.restore(HeldMessage.of(int(held_id), fields))
        case "identifier":
            host, owner, name, slot = key
            broker.virtual_hosts[host].duplicates.restore(owner, name, int(slot), fields)
        case "stream_offset":
            host, name, group = key
            stream = cast("StreamQueue", broker.virtual_hosts[host].queues[name])
            stream.groups.restore(group, fields["offset"])
        case _:
            raise ValueError(f"there is no kind of object {kind!r}")


def _restore_exchange(broker: Broker, key: tuple[str, ...], fields: Mapping[str, Any]) -> None:
    host, name = key
    broker.virtual_hosts[host].declare_exchange(
        name,
        fields["type"],
        durable=True,
        auto_delete=fields["auto_delete"],
        internal=fields["internal"],
        arguments=fields["arguments"],
    )


def _restore_queue(broker: Broker, key: tuple[str, ...], fields: Mapping[str, Any]) -> None:
    host, name = key
    queue = broker.virtual_hosts[host].declare_queue(
        name,
        durable=True,
        owner=None,
        auto_delete=fields["auto_delete"],
        arguments=fields["arguments"],
    )
    queue.journal_id = fields["id"]
    broker.queue_id_used(queue.journal_id)
