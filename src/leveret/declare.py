"""A topology file's objects, declared in a broker one after the other.

What the broker refuses is a fault of the file, at the place of the object refused.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from leveret.engine.permissions import Permission, TopicPermission, User, hash_password
from leveret.engine.policies import Policy
from leveret.errors import AMQPError, Fault, Position, TopologyError
from leveret.routing import Binding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leveret import config
    from leveret.engine import Broker
    from leveret.engine.virtual_host import VirtualHost

__all__ = ["declare"]


def declare(topology: config.Topology, broker: Broker) -> None:
    """Declare everything that a topology says, users and policies included.

    What can be declared is, also where something else is refused.

    Raises:
        TopologyError: the broker refused something; `faults` lists it all.

    """
    faults: list[Fault] = []
    for declared in topology.virtual_hosts.values():
        host = broker.add_virtual_host(declared.name)
        if "guest" in broker.users:
            broker.users.set_permission("guest", declared.name, Permission())
        _declare_policies(declared, host, faults, topology.file)
        _declare_objects(declared, host, faults, topology.file)
        _set_validators(declared, host)
    for user in topology.users.values():
        with _collected(faults, topology.file, user.position):
            _declare_user(user, broker)
    broker.settle()
    if faults:
        raise TopologyError(faults)


@contextmanager
def _collected(faults: list[Fault], file: str, position: Position | None) -> Iterator[None]:
    """Turn a refusal into a fault at `position`."""
    try:
        yield
    except AMQPError as error:
        remedy = f"RabbitMQ refuses this with {error.reply_code}: change it as the text says"
        faults.append(Fault(position or Position(file, 1, 1), error.reply_text, remedy))
    except ValueError as error:
        faults.append(Fault(position or Position(file, 1, 1), str(error), "correct the pattern"))


def _declare_policies(
    declared: config.VirtualHost, host: VirtualHost, faults: list[Fault], file: str
) -> None:
    kinds = ((declared.policies, False), (declared.operator_policies, True))
    for policies, operator in kinds:
        for policy in policies.values():
            with _collected(faults, file, policy.position):
                host.set_policy(
                    Policy(
                        policy.name,
                        policy.pattern,
                        policy.definition,
                        policy.apply_to,  # type: ignore[arg-type]
                        policy.priority,
                    ),
                    operator=operator,
                )


def _declare_objects(
    declared: config.VirtualHost, host: VirtualHost, faults: list[Fault], file: str
) -> None:
    for exchange in declared.exchanges.values():
        with _collected(faults, file, exchange.position):
            host.declare_exchange(
                exchange.name,
                exchange.type,
                durable=exchange.durable,
                auto_delete=exchange.auto_delete,
                internal=exchange.internal,
                arguments=exchange.arguments,
            )
    for queue in declared.queues.values():
        with _collected(faults, file, queue.position):
            host.declare_queue(
                queue.name,
                durable=queue.durable,
                owner=None,
                auto_delete=queue.auto_delete,
                arguments=queue.arguments,
            )
    for binding in declared.bindings:
        with _collected(faults, file, binding.position):
            host.bind(
                Binding(
                    binding.source,
                    binding.destination,
                    binding.routing_key,
                    binding.destination_type,
                    binding.arguments,
                ),
                None,
            )


def _set_validators(declared: config.VirtualHost, host: VirtualHost) -> None:
    """Have messages held against the schemas of the file."""
    for name, exchange in declared.exchanges.items():
        if exchange.schemas is not None:
            from leveret.schemas import SchemaValidator

            host.validators.set_for_exchange(name, SchemaValidator(exchange.schemas))
    for name, queue in declared.queues.items():
        if queue.schemas is not None:
            from leveret.schemas import SchemaValidator

            host.validators.set_for_queue(name, SchemaValidator(queue.schemas))


def _declare_user(user: config.User, broker: Broker) -> None:
    hashed = user.password_hash
    if user.password is not None:
        hashed = hash_password(user.password, broker.random)
    broker.users.add(User(user.name, hashed, frozenset(user.tags)))
    for host, permission in user.permissions.items():
        broker.users.set_permission(
            user.name, host, Permission(permission.configure, permission.write, permission.read)
        )
    for host, exchanges in user.topic_permissions.items():
        for exchange, topic in exchanges.items():
            broker.users.set_topic_permission(
                user.name, host, exchange, TopicPermission(topic.write, topic.read)
            )
