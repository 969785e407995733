"""Entries into a `Topology`: the sections of every virtual host, the users, what is expected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field

from leveret.config.arguments import policy_definition
from leveret.config.definitions_rest import definitions_rest, note_kept_objects
from leveret.config.environment import Substituted
from leveret.config.findings import MISSING, REFUSED
from leveret.config.host import HostBuilder, ignored_codes
from leveret.config.host_bindings import HostBindings
from leveret.config.merge import Merger
from leveret.config.model import (
    COMPATIBILITIES,
    DEFAULT_COMPATIBILITY,
    VERSION,
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
from leveret.config.partitions import expand_partitions
from leveret.config.refusals import policy_refusal
from leveret.config.source import quoted
from leveret.config.subscriptions import add_alerts, add_subscriptions
from leveret.exchanges import ExchangeTypes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from leveret.config.entries import (
        DefaultsEntry,
        DefinitionsEntry,
        Entry,
        ExpectEntry,
        HostEntry,
        PolicyEntry,
        RequestEntry,
        TopologyEntry,
        UserEntry,
    )
    from leveret.config.source import Source

__all__ = ["assemble"]


#: RabbitMQ keeps processes and message stores for each: more are a mistake, or meant to do harm.
MAX_VIRTUAL_HOSTS = 5_000


def assemble(file: str, entries: Sequence[TopologyEntry], sources: Sequence[Source]) -> Topology:
    """Return what the entries of a topology's files declare; what cannot be is reported.

    The last entry is that of the file that was named, the others are included.
    """
    whole = _Whole(entries)
    whole.check_size()
    whole.merge_settings()
    types = ExchangeTypes.installed()
    builders = {
        name: _build_host(_builder(name, parts, whole, types), whole, parts)
        for name, parts in whole.hosts().items()
    }
    return Topology(
        file,
        version=VERSION,
        compatibility=whole.compatibility,
        virtual_hosts={name: builder.host for name, builder in builders.items()},
        users=_users(entries, builders),
        expectations=[
            expectation
            for name, parts in whole.hosts().items()
            for part in parts
            for item in part.expect or ()
            if (expectation := _expectation(item, builders[name])) is not None
        ],
        definitions=definitions_rest(whole.definitions),
        ignored=ignored_codes(*(entry.lint for entry in entries)),
        sources={source.file: source for source in sources},
    )


@define(eq=False)
class _Whole:
    """The entries of all files of one topology, and the settings that they have in common."""

    entries: Sequence[TopologyEntry]
    compatibility: str = DEFAULT_COMPATIBILITY
    definitions: DefinitionsEntry | None = None
    _merger: Merger = field(factory=Merger)

    def merge_settings(self) -> None:
        """Read what holds for the whole topology, and report where two files disagree."""
        for entry in self.entries:
            _check_version(entry)
            for key in ("compatibility", "definitions"):
                value = getattr(entry, key)
                if value is not None and self._merger.is_new(key, "", entry.nodes[key], value):
                    setattr(self, key, value)
            self._merge_defaults("", entry.defaults)
            for name, host in (entry.virtual_hosts or {}).items():
                self._merge_defaults(f"virtual host {quoted(name)}: ", host.defaults)
        self.compatibility = self._known_compatibility()

    def check_size(self) -> None:
        """Refuse what no broker could start with, before it is made.

        Raises:
            TopologyError: there are too many virtual hosts.

        """
        count = 0
        for entry in self.entries:
            count += len(entry.virtual_hosts or ())
            if count > MAX_VIRTUAL_HOSTS:
                node = entry.nodes["virtual_hosts"]
                node.fault(
                    f"more than {MAX_VIRTUAL_HOSTS:,} virtual hosts are declared; in RabbitMQ each"
                    " has processes and message stores of its own",
                    "Use fewer virtual hosts, or several brokers, each with a file of its own.",
                )
                raise node.source.stop()

    def hosts(self) -> dict[str, list[HostEntry]]:
        """Return, for each virtual host, the entries that add to it, the more general first."""
        hosts: dict[str, list[HostEntry]] = {"/": list(self.entries)}
        for entry in self.entries:
            for name, host in (entry.virtual_hosts or {}).items():
                hosts.setdefault(name, []).append(host)
        return hosts

    def _merge_defaults(self, scope: str, defaults: DefaultsEntry | None) -> None:
        if defaults is None:
            return
        nodes = defaults.queue.nodes if defaults.queue is not None else {}
        for misplaced in [key for key in ("partitions", "by") if key in nodes][:1]:
            nodes[misplaced].fault(
                f"'{misplaced}' is no default: it belongs to one queue", "Move it there."
            )
        for kind in ("exchange", "queue"):
            entry: Entry | None = getattr(defaults, kind)
            for key, node in entry.nodes.items() if entry is not None else ():
                value = getattr(entry, key)
                self._merger.is_new(f"{scope}the default {kind}'s key", key, node, value)

    def _known_compatibility(self) -> str:
        if self.compatibility in COMPATIBILITIES:
            return self.compatibility
        remedy = f"Write one of {', '.join(COMPATIBILITIES)}, in double quotes."
        for entry in self.entries:
            if entry.compatibility == self.compatibility:
                message = f"compatibility {quoted(self.compatibility)} is unknown"
                entry.nodes["compatibility"].fault(message, remedy)
        return DEFAULT_COMPATIBILITY


def _check_version(entry: TopologyEntry) -> None:
    if entry.version not in (None, VERSION):
        entry.nodes["version"].fault(
            f"version {entry.version} of the format is unknown",
            f"Write 'version: {VERSION}', or use a later leveret.",
        )


def _builder(name: str, parts: list[HostEntry], whole: _Whole, types: ExchangeTypes) -> HostBuilder:
    host = VirtualHost(
        name,
        position=parts[-1].node.position,
        ignored=ignored_codes(*(part.lint for part in parts)),
    )
    return HostBuilder(host, whole.compatibility, types)


def _build_host(builder: HostBuilder, whole: _Whole, parts: list[HostEntry]) -> HostBuilder:
    layers = [part.defaults for part in (*whole.entries, *parts) if part.defaults is not None]
    for part in parts:
        builder.declare_exchanges(part.exchanges or {}, layers)
        builder.declare_queues(part.queues or {}, layers)
    expand_partitions(builder)
    builder.expand_dead_letters()
    host = builder.host
    note_kept_objects(whole.definitions, builder)
    host.policies.update(_policies((part.policies for part in parts), "policy", builder))
    host.operator_policies.update(
        _policies((part.operator_policies for part in parts), "operator policy", builder)
    )
    builder.check_targets()
    bindings = HostBindings(builder)
    for part in parts:
        for binding in part.bindings or ():
            bindings.add(binding)
    bindings.add_partitions()
    bindings.add_dead_letters()
    builder.partitions |= host.partitions  # in the file's own words, too
    for part in parts:
        for name, request in (part.requests or {}).items():
            if builder.merger.is_new("request", name, request.node, request):
                host.requests[name] = _request(name, request, builder)
    add_subscriptions(builder, parts)
    add_alerts(builder, parts)
    return builder


def _policies(
    sections: Iterable[dict[Any, PolicyEntry] | None], kind: str, builder: HostBuilder
) -> dict[str, Policy]:
    policies: dict[str, Policy] = {}
    for name, entry in (pair for section in sections for pair in (section or {}).items()):
        if not builder.merger.is_new(kind, name, entry.node, entry):
            continue
        definition = entry.nodes.get("definition")
        for key, value in definition.pairs if isinstance(definition, MapNode) else ():
            if key.text in ("dead-letter-exchange", "alternate-exchange"):
                builder.note_target(value, key.text)
        policy = policies[name] = Policy(
            name,
            entry.pattern or "",
            entry.apply_to or "all",
            entry.priority or 0,
            policy_definition(entry),
            entry.node.position,
            ignored_codes(entry.lint),
        )
        if (refusal := policy_refusal(policy, builder.compatibility)) is not None:
            entry.nodes[refusal.cause].fault(refusal.message, refusal.remedy, REFUSED)
    return policies


def _request(name: str, entry: RequestEntry, builder: HostBuilder) -> Request:
    exchange = entry.exchange or ""
    if exchange:
        builder.check_exchange(entry.nodes["exchange"], exchange)
    elif entry.routing_key is not None:
        builder.check_queue(entry.nodes["routing_key"], entry.routing_key)
    return Request(name, exchange, entry.routing_key or "", entry.timeout, entry.node.position)


def _users(entries: Iterable[TopologyEntry], builders: dict[str, HostBuilder]) -> dict[str, User]:
    merger = Merger()
    return {
        name: _user(name, user, builders)
        for entry in entries
        for name, user in (entry.users or {}).items()
        if merger.is_new("user", name, user.node, user)
    }


def _user(name: str, entry: UserEntry, hosts: dict[str, HostBuilder]) -> User:
    for section in ("permissions", "topic_permissions"):
        for host, permission in (getattr(entry, section) or {}).items():
            if host not in hosts:
                place = getattr(permission, "node", entry.nodes[section])
                close = nearest(host, hosts)
                place.fault(
                    f"virtual host {quoted(host)} does not exist",
                    f"Did you mean '{close}'?" if close else "Declare it under 'virtual_hosts'.",
                    MISSING,
                )
    if entry.password is not None and entry.password_hash is not None:
        entry.nodes["password_hash"].fault(
            f"RabbitMQ refuses user {quoted(name)}: both_password_and_password_hash_are_provided",
            "Keep one of 'password' and 'password_hash'.",
            REFUSED,
        )
    return User(
        name,
        _password(entry),
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
        ignored=ignored_codes(entry.lint),
    )


def _password(entry: UserEntry) -> str | None:
    written = getattr(entry.nodes.get("password"), "written", "")
    if entry.password is None or not written:
        return entry.password
    return Substituted(entry.password, written)


def _any_part(queue: str | None, builder: HostBuilder) -> str | None:
    """Return a partition of a partitioned queue: they are all alike."""
    return next(iter(builder.partitions.get(queue or "", ())), queue)


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
        builder.check_queue(entry.nodes["reaches"], queue, partitioned=True)
    position = entry.node.position
    if (expires := entry.expires) is not None:
        if expires.queue is not None:
            builder.check_queue(expires.nodes["queue"], expires.queue, partitioned=True)
        return Expectation(
            reaches,
            expires_queue=_any_part(expires.queue, builder),
            expires_after_ms=expires.after,
            routing_key=expires.routing_key or "",
            headers=expires.headers or {},
            virtual_host=builder.host.name,
            position=position,
        )
    publish = entry.publish
    if publish is None:
        return None
    if publish.exchange:
        builder.check_exchange(publish.nodes["exchange"], publish.exchange)
    return Expectation(
        reaches,
        exchange=publish.exchange or "",
        routing_key=publish.routing_key or "",
        headers=publish.headers or {},
        virtual_host=builder.host.name,
        position=position,
    )
