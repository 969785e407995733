"""RabbitMQ's definitions read into a `Topology`, and what of them no topology can say.

The objects become declarations; what is left over (an unknown field, a parameter of federation,
an object that the topology language refuses) goes into `Topology.definitions`, so that
`to_definitions` gives back what was read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from typing import Any

from attrs import define, evolve, field

from leveret.config.definitions import (
    OPERATOR_POLICY,
    SECTIONS,
    Definitions,
    Identity,
    Object,
    default_of,
    identity_of,
)
from leveret.config.definitions_left import left_over
from leveret.config.definitions_out import declared_definitions
from leveret.config.model import (
    DEFAULT_COMPATIBILITY,
    BindingDeclaration,
    ExchangeDeclaration,
    Permission,
    Policy,
    QueueDeclaration,
    TopicPermission,
    Topology,
    User,
    VirtualHost,
)
from leveret.config.names import PREDECLARED_EXCHANGES
from leveret.config.source import quoted

__all__ = ["Reading", "Reference", "read_definitions"]

#: An object of definitions: its section, and what tells it from the others there.
Reference = tuple[str, Identity]


@define(eq=False)
class Reading:
    """What became of definitions that were read."""

    topology: Topology
    # object -> why it is kept as it is
    kept: dict[Reference, str] = field(factory=dict)
    # object -> what of it is kept as it is, and why
    remarks: dict[Reference, str] = field(factory=dict)


def read_definitions(
    definitions: Definitions,
    file: str = "<text>",
    refused: Mapping[Reference, str] | None = None,
) -> Reading:
    """Return the topology that definitions declare; `to_definitions` of it gives them back.

    Objects in lists may come back in another order, and a field that some objects of a section
    leave out and others do not comes back with its default. `refused` names objects to keep as
    they are, with the reason.
    """
    reading = Reading(Topology(file, compatibility=_compatibility(definitions)))
    reading.kept.update(refused or {})
    _Reader(definitions, reading).read()
    rest = left_over(definitions, declared_definitions(reading.topology))
    reading.topology = evolve(reading.topology, definitions=rest)
    return reading


def _compatibility(definitions: Definitions) -> str:
    """Return the profile nearest to the version that wrote the definitions."""
    version = definitions.get("rabbitmq_version", definitions.get("rabbit_version"))
    parts = version.split(".")[:2] if isinstance(version, str) else []
    if len(parts) < 2 or not all(part.isdecimal() for part in parts):
        return DEFAULT_COMPATIBILITY
    number = int(parts[0]), int(parts[1])
    for least, profile in (((4, 3), "4.3"), ((4, 0), "4.2"), ((3, 11), "3.13")):
        if number >= least:
            return profile
    return "3.10"


@define(eq=False, slots=False)
class _Reader:
    definitions: Definitions
    reading: Reading

    def read(self) -> None:
        self._users()
        for section in ("vhosts", *(name for name in SECTIONS if name != "users")):
            for item in self.definitions.get(section, []):
                host = item["name"] if section == "vhosts" else item.get("vhost", "/")
                refused = ("vhosts", (host,)) in self.reading.kept
                if section != "global_parameters" and not refused:
                    self._host(host)
        self._host("/")
        self._each("permissions", self._permission)
        self._each("topic_permissions", self._topic_permission)
        self._each("exchanges", self._exchange)
        self._each("queues", self._queue)
        self._each("policies", self._policy)
        self._each("parameters", self._parameter)
        self._drop_dangling()
        self._each("bindings", self._binding)
        hosts = self.reading.topology.virtual_hosts
        hosts["/"] = hosts.pop("/")
        self.reading.topology = evolve(
            self.reading.topology, virtual_hosts={"/": hosts["/"], **hosts}
        )

    def _host(self, name: str) -> VirtualHost:
        return self.reading.topology.virtual_hosts.setdefault(name, VirtualHost(name))

    def _each(self, section: str, read: Callable[[Object], str]) -> None:
        kept = self.reading.kept
        for item in self.definitions.get(section, []):
            reference = section, identity_of(section, item)
            if reference in kept:
                continue
            host = item.get("vhost")
            if isinstance(host, str) and ("vhosts", (host,)) in kept:
                reason = f"virtual host {quoted(host)} is not declared above"
            else:
                reason = read(item)
            if reason:
                kept[reference] = reason

    def _users(self) -> None:
        users = self.reading.topology.users

        def read(item: Object) -> str:
            tags = _tags(item.get("tags"))
            texts = [item.get(name) for name in ("password", "password_hash", "hashing_algorithm")]
            if tags is None or not all(text is None or isinstance(text, str) for text in texts):
                return "its tags or its password have a form that is not known"
            password, password_hash, algorithm = texts
            if password is not None and password_hash is not None:
                return "RabbitMQ refuses a user with both a password and its hash"
            users[item["name"]] = User(
                item["name"],
                password,
                tags,
                password_hash=password_hash,
                hashing_algorithm=algorithm,
            )
            return ""

        self._each("users", read)

    def _permission(self, item: Object) -> str:
        user = self.reading.topology.users.get(item["user"])
        texts = [item.get(name) for name in ("configure", "write", "read")]
        if user is None:
            return f"there is no user {quoted(item['user'])}"
        if not all(isinstance(text, str) for text in texts):
            return "it lacks a regular expression"
        user.permissions[item.get("vhost", "/")] = Permission(*map(str, texts))
        return ""

    def _topic_permission(self, item: Object) -> str:
        user = self.reading.topology.users.get(item["user"])
        write, read = item.get("write"), item.get("read")
        if user is None:
            return f"there is no user {quoted(item['user'])}"
        if not isinstance(write, str) or not isinstance(read, str):
            return "it lacks a regular expression"
        exchanges = user.topic_permissions.setdefault(item.get("vhost", "/"), {})
        exchanges[item["exchange"]] = TopicPermission(write, read)
        return ""

    def _exchange(self, item: Object) -> str:
        given = _given("exchanges", item, ("durable", "auto_delete", "internal"))
        if given is None or not isinstance(item.get("type"), str) or not _has_arguments(item):
            return "its type, flags or arguments have a form that is not known"
        if item["name"] == "":
            return "the default exchange is always there"
        durable, auto_delete, internal = given
        self._host(item.get("vhost", "/")).exchanges[item["name"]] = ExchangeDeclaration(
            item["name"], item["type"], durable, auto_delete, internal, _arguments(item)
        )
        return ""

    def _queue(self, item: Object) -> str:
        given = _given("queues", item, ("durable", "auto_delete"))
        if given is None or not _has_arguments(item):
            return "its flags or arguments have a form that is not known"
        durable, auto_delete = given
        self._host(item.get("vhost", "/")).queues[item["name"]] = QueueDeclaration(
            item["name"], durable, False, auto_delete, _arguments(item)
        )
        return ""

    def _policy(self, item: Object) -> str:
        policy = _as_policy(item["name"], item)
        if policy is None:
            return "its pattern, priority or definition has a form that is not known"
        self._host(item.get("vhost", "/")).policies[policy.name] = policy
        return ""

    def _parameter(self, item: Object) -> str:
        if item["component"] != OPERATOR_POLICY:
            return ""
        value = item.get("value")
        policy = _as_policy(item["name"], value) if isinstance(value, dict) else None
        if policy is None:
            return "its pattern, priority or definition has a form that is not known"
        self._host(item.get("vhost", "/")).operator_policies[policy.name] = policy
        return ""

    def _binding(self, item: Object) -> str:
        host = self._host(item.get("vhost", "/"))
        kind = item.get("destination_type", "queue")
        source, destination = item["source"], item["destination"]
        if kind not in ("queue", "exchange"):
            return f"it leads to a {quoted(kind)}"
        if source not in host.exchanges and (source not in PREDECLARED_EXCHANGES or not source):
            return self._missing("exchange", source, host.name)
        there = host.queues if kind == "queue" else {**PREDECLARED_EXCHANGES, **host.exchanges}
        if destination not in there or (kind == "exchange" and not destination):
            return self._missing(kind, destination, host.name)
        host.bindings.append(
            BindingDeclaration(
                source, destination, kind, item.get("routing_key", ""), _arguments(item)
            )
        )
        return ""

    def _missing(self, kind: str, name: str, host: str) -> str:
        if kind == "exchange" and (host, name) not in self._exchanges:
            return f"exchange {quoted(name)} is missing: rabbitmqctl leaves internal ones out"
        return f"{kind} {quoted(name)} is not declared above"

    @cached_property
    def _exchanges(self) -> set[tuple[str, str]]:
        """Virtual host and name of every exchange, also of those that are kept."""
        items = self.definitions.get("exchanges", [])
        return {(item.get("vhost", "/"), item["name"]) for item in items}

    # --- names of what is not there -------------------------------------------

    def _drop_dangling(self) -> None:
        """Take out names of exchanges and queues that are not there: they act as if not given.

        RabbitMQ drops what is sent to a missing alternate or dead-letter exchange (S37, S109), and
        a topology file that names one is refused. They are kept beside, like unknown fields.
        """
        there = {
            section: {
                (item.get("vhost", "/"), item["name"]) for item in self.definitions.get(section, [])
            }
            for section in ("exchanges", "queues")
        }
        for host in self.reading.topology.virtual_hosts.values():
            for exchange in host.exchanges.values():
                alternate = exchange.arguments.get("alternate-exchange")
                if _is_missing(alternate, host.name, there["exchanges"]):
                    del exchange.arguments["alternate-exchange"]
                    self._remark("exchanges", host, exchange.name, "alternate-exchange", alternate)
            for queue in host.queues.values():
                self._drop_dead_letter(queue, host, there)
            for policy in (*host.policies.values(), *host.operator_policies.values()):
                self._drop_from_policy(policy, host, there["exchanges"])

    def _drop_dead_letter(
        self,
        queue: QueueDeclaration,
        host: VirtualHost,
        there: dict[str, set[tuple[str, str]]],
    ) -> None:
        arguments = queue.arguments
        exchange = arguments.get("x-dead-letter-exchange")
        key = arguments.get("x-dead-letter-routing-key")
        missing = _is_missing(exchange, host.name, there["exchanges"])
        if exchange == "" and isinstance(key, str) and (host.name, key) not in there["queues"]:
            missing = True
        if missing:
            named = exchange or key
            for name in ("exchange", "routing-key", "strategy"):
                arguments.pop(f"x-dead-letter-{name}", None)
            self._remark("queues", host, queue.name, "its dead letters", named)

    def _drop_from_policy(
        self, policy: Policy, host: VirtualHost, exchanges: set[tuple[str, str]]
    ) -> None:
        for key in ("dead-letter-exchange", "alternate-exchange"):
            name = policy.definition.get(key)
            if _is_missing(name, host.name, exchanges) and len(policy.definition) > 1:
                del policy.definition[key]
                if policy is host.policies.get(policy.name):
                    self._remark("policies", host, policy.name, key, name)

    def _remark(self, section: str, host: VirtualHost, name: str, what: str, target: Any) -> None:
        self.reading.remarks[section, (host.name, name)] = (
            f"{what} would go to {quoted(str(target))}, which does not exist"
        )


def _is_missing(name: Any, host: str, there: Collection[tuple[str, str]]) -> bool:
    return isinstance(name, str) and name not in PREDECLARED_EXCHANGES and (host, name) not in there


def _given(section: str, item: Object, names: tuple[str, ...]) -> list[bool] | None:
    values = [item.get(name, default_of(section, name, item)) for name in names]
    return values if all(isinstance(value, bool) for value in values) else None


def _has_arguments(item: Object) -> bool:
    """Tell whether an object's arguments are a table; some versions write an empty one as `[]`."""
    arguments = item.get("arguments", {})
    return isinstance(arguments, dict) or arguments in ([], None)


def _arguments(item: Object) -> dict[str, Any]:
    return dict(item.get("arguments") or {})


def _tags(tags: Any) -> tuple[str, ...] | None:
    """Return a user's tags: a list, or, before RabbitMQ 3.9, one text with commas."""
    if isinstance(tags, str):
        return tuple(filter(None, (tag.strip() for tag in tags.split(","))))
    if tags is None:
        return ()
    known = isinstance(tags, list) and all(isinstance(tag, str) and tag for tag in tags)
    return tuple(tags) if known else None


def _as_policy(name: str, item: Object) -> Policy | None:
    pattern, definition = item.get("pattern"), item.get("definition")
    apply_to, priority = item.get("apply-to", "all"), item.get("priority", 0)
    if not (
        isinstance(pattern, str)
        and isinstance(definition, dict)
        and isinstance(apply_to, str)
        and isinstance(priority, int)
        and not isinstance(priority, bool)
    ):
        return None
    return Policy(name, pattern, apply_to, priority, dict(definition))
