"""A topology as RabbitMQ's definitions: what `leveret export` writes."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING, Any

from leveret.config.definitions import (
    OPERATOR_POLICY,
    SECTIONS,
    Definitions,
    Identity,
    Object,
    default_of,
    identity_of,
    objects_by_identity,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leveret.config.model import DefinitionsRest, Policy, Topology, User, VirtualHost

__all__ = [
    "SHA256",
    "declared_definitions",
    "hash_password",
    "to_definitions",
    "unsaid_in_definitions",
]

#: What RabbitMQ calls the way of `hash_password`.
SHA256 = "rabbit_password_hashing_sha256"


def to_definitions(topology: Topology) -> Definitions:
    """Return a topology as RabbitMQ's definitions, with what its `definitions` section adds."""
    definitions = declared_definitions(topology)
    _add_rest(definitions, topology.definitions)
    return definitions


def declared_definitions(topology: Topology) -> Definitions:
    """Return the sections that a topology's own sections make: all of them, some perhaps empty."""
    hosts = topology.virtual_hosts.values()
    users = topology.users.values()
    return {
        "users": [_user(user) for user in users],
        "vhosts": [{"name": name} for name in _host_names(topology)],
        "permissions": [item for user in users for item in _permissions(user)],
        "topic_permissions": [item for user in users for item in _topic_permissions(user)],
        "parameters": [item for host in hosts for item in _operator_policies(host)],
        "global_parameters": [],
        "policies": [
            {"vhost": host.name, "name": policy.name} | _policy(policy)
            for host in hosts
            for policy in host.policies.values()
        ],
        "queues": [item for host in hosts for item in _queues(host)],
        "exchanges": [item for host in hosts for item in _exchanges(host)],
        "bindings": [item for host in hosts for item in _bindings(host)],
    }


def unsaid_in_definitions(topology: Topology) -> list[str]:
    """Return what definitions have no words for, a line each."""
    unsaid = []
    for host in topology.virtual_hosts.values():
        where = "" if host.name == "/" else f" of virtual host '{host.name}'"
        exclusive = [queue.name for queue in host.queues.values() if queue.exclusive]
        if exclusive:
            unsaid.append(
                f"exclusive queues{where}, which end with their connection: {', '.join(exclusive)}"
            )
        watched = [one.name for one in host.exchanges.values() if one.schemas is not None]
        watched += [one.name for one in host.queues.values() if one.schemas is not None]
        if watched:
            unsaid.append(f"schemas{where}: {', '.join(watched)}")
        for section in ("requests", "subscriptions", "alerts"):
            if names := getattr(host, section):
                unsaid.append(f"{section}{where}: {', '.join(names)}")
    if topology.expectations:
        unsaid.append(f"expectations: {len(topology.expectations)}")
    return unsaid


def hash_password(user: str, password: str) -> str:
    """Return RabbitMQ's hash of a password: base64 of 4 bytes of salt, then SHA-256 of both.

    The salt is drawn from the user's name under the password, so that the same file always makes
    the same definitions and two users with one password do not show it.
    """
    salt = hmac.digest(password.encode(), user.encode(), "sha256")[:4]
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def _host_names(topology: Topology) -> list[str]:
    """Return the virtual hosts; "/" only if something is in it, or there is no other."""
    named = {host for user in topology.users.values() for host in user.permissions}
    for user in topology.users.values():
        named |= user.topic_permissions.keys()
    return [
        host.name
        for host in topology.virtual_hosts.values()
        if host.name != "/" or "/" in named or len(topology.virtual_hosts) == 1 or _holds(host)
    ]


def _holds(host: VirtualHost) -> bool:
    return bool(
        host.exchanges or host.queues or host.bindings or host.policies or host.operator_policies
    )


def _user(user: User) -> Object:
    password_hash, algorithm = user.password_hash, user.hashing_algorithm
    if user.password is not None:
        password_hash, algorithm = hash_password(user.name, user.password), SHA256
    if password_hash is None:
        algorithm = SHA256  # of the empty hash, which no password has
    # Without one, as RabbitMQ before 3.6 wrote it, the hash is MD5.
    hashing = {"hashing_algorithm": algorithm} if algorithm else {}
    secret = {"password_hash": password_hash or ""} | hashing
    return {"name": user.name} | secret | {"tags": list(user.tags), "limits": {}}


def _permissions(user: User) -> Iterator[Object]:
    for host, permission in user.permissions.items():
        yield {
            "user": user.name,
            "vhost": host,
            "configure": permission.configure,
            "write": permission.write,
            "read": permission.read,
        }


def _topic_permissions(user: User) -> Iterator[Object]:
    for host, exchanges in user.topic_permissions.items():
        for exchange, permission in exchanges.items():
            yield {
                "user": user.name,
                "vhost": host,
                "exchange": exchange,
                "write": permission.write,
                "read": permission.read,
            }


def _policy(policy: Policy) -> Object:
    return {
        "pattern": policy.pattern,
        "apply-to": policy.apply_to,
        "definition": dict(policy.definition),
        "priority": policy.priority,
    }


def _operator_policies(host: VirtualHost) -> Iterator[Object]:
    for policy in host.operator_policies.values():
        yield {
            "value": _policy(policy),
            "vhost": host.name,
            "component": OPERATOR_POLICY,
            "name": policy.name,
        }


def _queues(host: VirtualHost) -> Iterator[Object]:
    for queue in host.queues.values():
        if queue.exclusive:  # RabbitMQ leaves them out too: nobody could own them
            continue
        item: Object = {
            "name": queue.name,
            "vhost": host.name,
            "durable": queue.durable,
            "auto_delete": queue.auto_delete,
            "arguments": dict(queue.arguments),
        }
        yield item | {"type": default_of("queues", "type", item)}


def _exchanges(host: VirtualHost) -> Iterator[Object]:
    for exchange in host.exchanges.values():
        yield {
            "name": exchange.name,
            "vhost": host.name,
            "type": exchange.type,
            "durable": exchange.durable,
            "auto_delete": exchange.auto_delete,
            "internal": exchange.internal,
            "arguments": dict(exchange.arguments),
        }


def _bindings(host: VirtualHost) -> Iterator[Object]:
    exclusive = {queue.name for queue in host.queues.values() if queue.exclusive}
    for binding in host.bindings:
        if binding.destination_type == "queue" and binding.destination in exclusive:
            continue
        yield {
            "source": binding.source,
            "vhost": host.name,
            "destination": binding.destination,
            "destination_type": binding.destination_type,
            "routing_key": binding.routing_key,
            "arguments": dict(binding.arguments),
        }


# --- what the section `definitions` adds ----------------------------------------


def _add_rest(definitions: Definitions, rest: DefinitionsRest) -> None:
    for section in SECTIONS:
        added = [item for item in _objects(rest.keep, section) if isinstance(item, dict)]
        if added:
            known = objects_by_identity(section, definitions[section])
            definitions[section] += [
                dict(item) for item in added if identity_of(section, item) not in known
            ]
        _add_fields(definitions, section, rest)
        _omit(definitions, section, rest.omit.get(section))
    single = {name: value for name, value in rest.keep.items() if name not in SECTIONS}
    sections = dict(definitions)
    definitions.clear()
    definitions.update(single | sections)


def _objects(part: dict[str, Any], section: str) -> list[Any]:
    objects = part.get(section)
    return objects if isinstance(objects, list) else []


def _add_fields(definitions: Definitions, section: str, rest: DefinitionsRest) -> None:
    known: dict[Identity, Object] | None = None
    for item in _objects(rest.fields, section):
        if not isinstance(item, dict):
            continue
        if known is None:
            known = objects_by_identity(section, definitions[section])
        target = known.get(identity_of(section, item))
        if target is None:  # the object it belonged to was taken out of the file
            continue
        for name, value in item.items():
            if name in SECTIONS[section].key:
                continue
            present = target.get(name)
            if isinstance(present, dict) and isinstance(value, dict):
                target[name] = present | value
            else:
                target[name] = value


def _omit(definitions: Definitions, section: str, omitted: Any) -> None:
    objects = definitions[section]
    if omitted == "all":
        if not objects or (section == "vhosts" and objects == [{"name": "/"}]):
            del definitions[section]
        return
    for name in omitted if isinstance(omitted, list) else ():
        if isinstance(name, str):
            for item in objects:
                if name in item and item[name] == default_of(section, name, item):
                    del item[name]
