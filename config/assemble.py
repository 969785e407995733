"""Entries into a `Topology`: the sections of every virtual host, the users, what is expected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leveret.config.arguments import policy_definition
from leveret.config.definitions_rest import definitions_rest, note_kept_objects
from leveret.config.host import HostBuilder
from leveret.config.host_bindings import HostBindings
from leveret.config.model import (
    COMPATIBILITIES,
    DEFAULT_COMPATIBILITY,
    Expectation,
    Permission,
    Policy,
    Request,
    TopicPermission,
    Topology,
    User,
    VirtualHost,
)
from leveret.config.names import nearest
from leveret.config.nodes import MapNode
from leveret.config.source import quoted
from leveret.exchanges import ExchangeTypes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leveret.config.entries import (
        ExpectEntry,
        HostEntry,
        Name,
        PolicyEntry,
        RequestEntry,
        TopologyEntry,
        UserEntry,
    )
    from leveret.config.nodes import Node

__all__ = ["assemble"]

_VERSION = 1


def assemble(file: str, entry: TopologyEntry) -> Topology:
    """Return what the entries of a file declare; what cannot be declared is reported."""
    _check_version(entry)
    compatibility = _compatibility(entry)
    types = ExchangeTypes().load_entry_points()
    # name -> the entries that add to it, the more general first
    sections: dict[str, list[HostEntry]] = {"/": [entry]}
    for name, host in (entry.virtual_hosts or {}).items():
        sections.setdefault(name, []).append(host)
    builders = {
        name: _build_host(
            HostBuilder(VirtualHost(name, position=parts[-1].node.position), compatibility, types),
            entry,
            parts,
        )
        for name, parts in sections.items()
    }
    return Topology(
        file,
        version=_VERSION,
        compatibility=compatibility,
        virtual_hosts={name: builder.host for name, builder in builders.items()},
        users={name: _user(name, user, builders) for name, user in (entry.users or {}).items()},
        expectations=[
            expectation
            for item in entry.expect or ()
            if (expectation := _expectation(item, builders["/"])) is not None
        ],
        definitions=definitions_rest(entry.definitions),
    )


def _check_version(entry: TopologyEntry) -> None:
    if entry.version not in (None, _VERSION):
        entry.nodes["version"].fault(
            f"version {entry.version} of the format is unknown",
            f"Write 'version: {_VERSION}', or use a later leveret.",
        )


def _compatibility(entry: TopologyEntry) -> str:
    given = entry.compatibility
    if given is None:
        return DEFAULT_COMPATIBILITY
    if given in COMPATIBILITIES:
        return given
    remedy = f"Write one of {', '.join(COMPATIBILITIES)}, in double quotes."
    entry.nodes["compatibility"].fault(f"compatibility {quoted(given)} is unknown", remedy)
    return DEFAULT_COMPATIBILITY


def _build_host(builder: HostBuilder, top: TopologyEntry, parts: list[HostEntry]) -> HostBuilder:
    defaults = [part.defaults for part in (top, *parts) if part.defaults is not None]
    for part in parts:
        builder.declare_exchanges(part.exchanges or {}, defaults)
        builder.declare_queues(part.queues or {}, defaults)
    builder.expand_dead_letters()
    host = builder.host
    note_kept_objects(top.definitions, builder)
    for part in parts:
        host.policies.update(_policies(part.policies or {}, builder))
        host.operator_policies.update(_policies(part.operator_policies or {}, builder))
    builder.check_targets()
    bindings = HostBindings(builder)
    for part in parts:
        for binding in part.bindings or ():
            bindings.add(binding)
    bindings.add_dead_letters()
    for part in parts:
        for name, request in (part.requests or {}).items():
            host.requests[name] = _request(name, request, builder)
    return builder


def _policies(entries: Mapping[Name, PolicyEntry], builder: HostBuilder) -> dict[str, Policy]:
    for entry in entries.values():
        definition = entry.nodes.get("definition")
        for key, value in definition.pairs if isinstance(definition, MapNode) else ():
            if key.text in ("dead-letter-exchange", "alternate-exchange"):
                builder.note_target(value, key.text)
    return {
        name: Policy(
            name,
            entry.pattern or "",
            entry.apply_to or "all",
            entry.priority or 0,
            policy_definition(entry),
            entry.node.position,
        )
        for name, entry in entries.items()
    }


def _request(name: str, entry: RequestEntry, builder: HostBuilder) -> Request:
    exchange = entry.exchange or ""
    if exchange:
        _check_exchange(entry.nodes["exchange"], exchange, builder)
    elif entry.routing_key is not None:
        _check_queue(entry.nodes["routing_key"], entry.routing_key, builder)
    return Request(name, exchange, entry.routing_key or "", entry.timeout, entry.node.position)


def _user(name: str, entry: UserEntry, hosts: dict[str, HostBuilder]) -> User:
    for section in ("permissions", "topic_permissions"):
        for host, permission in (getattr(entry, section) or {}).items():
            if host not in hosts:
                place = getattr(permission, "node", entry.nodes[section])
                close = nearest(host, hosts)
                place.fault(
                    f"virtual host {quoted(host)} does not exist",
                    f"Did you mean '{close}'?" if close else "Declare it under 'virtual_hosts'.",
                )
    return User(
        name,
        entry.password,
        tuple(entry.tags or ()),
        {
            host: Permission(p.configure or "", p.write or "", p.read or "")
            for host, p in (entry.permissions or {}).items()
        },
        {
            host: {
                exchange: TopicPermission(p.write or "", p.read or "")
                for exchange, p in (by_exchange or {}).items()
            }
            for host, by_exchange in (entry.topic_permissions or {}).items()
        },
        entry.node.position,
        password_hash=entry.password_hash,
        hashing_algorithm=entry.hashing_algorithm,
    )


def _expectation(entry: ExpectEntry, builder: HostBuilder) -> Expectation | None:
    given = [key for key in ("publish", "expires") if key in entry.nodes]
    if len(given) != 1:
        entry.node.fault(
            "an expectation needs one of 'publish' and 'expires'" + (", not both" if given else ""),
            "Write publish: {exchange: …, routing_key: …} or expires: {queue: …, after: …}.",
        )
        return None
    reaches = tuple(entry.reaches or ())
    for queue in reaches:
        _check_queue(entry.nodes["reaches"], queue, builder)
    position = entry.node.position
    if (expires := entry.expires) is not None:
        if expires.queue is not None:
            _check_queue(expires.nodes["queue"], expires.queue, builder)
        return Expectation(
            reaches,
            expires_queue=expires.queue,
            expires_after_ms=expires.after,
            position=position,
        )
    publish = entry.publish
    if publish is None:
        return None
    if publish.exchange:
        _check_exchange(publish.nodes["exchange"], publish.exchange, builder)
    return Expectation(
        reaches,
        exchange=publish.exchange or "",
        routing_key=publish.routing_key or "",
        headers=publish.headers or {},
        position=position,
    )


def _check_exchange(node: Node, name: str, builder: HostBuilder) -> None:
    if not builder.has_exchange(name):
        node.fault(f"exchange {quoted(name)} does not exist", builder.missing_exchange_help(name))


def _check_queue(node: Node, name: str, builder: HostBuilder) -> None:
    if name not in builder.queue_nodes:
        node.fault(f"queue {quoted(name)} does not exist", builder.missing_queue_help(name))
