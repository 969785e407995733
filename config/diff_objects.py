"""The objects of two topologies compared, section by section of RabbitMQ's definitions."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from attrs import define, evolve, field

from leveret.config.binding_text import format_binding
from leveret.config.definitions import (
    OPERATOR_POLICY,
    SECTIONS,
    Definitions,
    Identity,
    Object,
    canonical_json,
    objects_by_identity,
)
from leveret.config.definitions_out import to_definitions
from leveret.config.diff import Action, Change
from leveret.config.diff_aspects import argument_aspects, field_aspects, user_aspects
from leveret.config.diff_policies import Policies
from leveret.config.model import DefinitionsRest
from leveret.config.names import PREDECLARED_EXCHANGES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leveret.config.model import Topology
    from leveret.errors import Position

__all__ = ["compare"]

#: What the broker's own global parameters begin with: no topology asks for them.
_OWN_PARAMETERS = ("internal", "cluster_name")

_QUEUE_FLAGS = ("durable", "auto_delete")
_EXCHANGE_FLAGS = ("type", "durable", "auto_delete", "internal")

_IN_PLACE = "RabbitMQ changes it in place"
_FIXED = "RabbitMQ never changes what was declared"


def compare(wanted: Topology, present: Topology) -> Iterator[Change]:
    """Yield every change, virtual hosts and users first, then each section in RabbitMQ's order."""
    yield from _Comparison(wanted, _whole(wanted), _whole(present)).changes()


def _whole(topology: Topology) -> Definitions:
    """Return all that a topology says as definitions, with nothing left out."""
    rest = topology.definitions
    definitions = to_definitions(
        evolve(topology, definitions=DefinitionsRest(keep=rest.keep, fields=rest.fields))
    )
    defaults = {"apply-to": "all", "priority": 0}
    definitions["parameters"] = [
        item | {"value": defaults | item["value"]}
        if item.get("component") == OPERATOR_POLICY and isinstance(item.get("value"), dict)
        else item
        for item in definitions["parameters"]
    ]
    return definitions


@define(eq=False)
class _Comparison:
    topology: Topology
    wanted: Definitions
    present: Definitions
    # virtual hosts that only one side has
    new_hosts: set[str] = field(factory=set)
    extra_hosts: set[str] = field(factory=set)
    # (virtual host, exchange or queue, name) of what is there and not wanted
    extra: set[tuple[str, str, str]] = field(factory=set)
    # the same -> the bindings that are there, to it and from it
    bound: defaultdict[tuple[str, str, str], list[Object]] = field(
        factory=lambda: defaultdict(list)
    )

    # identity of a side -> virtual host and name of the exchanges that its bindings name
    _named: dict[int, set[tuple[str, str]]] = field(factory=dict)
    # virtual host -> its policies, wanted and present
    _policies: dict[tuple[bool, str], Policies] = field(factory=dict)

    def changes(self) -> Iterator[Change]:
        for item in self.present["bindings"]:
            host = item.get("vhost", "/")
            self.bound[host, "exchange", item["source"]].append(item)
            destination = host, item.get("destination_type", "queue"), item["destination"]
            if destination != (host, "exchange", item["source"]):
                self.bound[destination].append(item)
        yield from self._hosts()
        yield from self._users()
        yield from self._in_place("permissions", "permission")
        yield from self._in_place("topic_permissions", "topic permission")
        yield from self._in_place("parameters", "parameter")
        yield from self._in_place("global_parameters", "global parameter")
        yield from self._in_place("policies", "policy")
        yield from self._declared("exchanges", "exchange")
        yield from self._declared("queues", "queue")
        yield from self._bindings()

    def _policies_of(self, host: str, *, wanted: bool) -> Policies:
        if (wanted, host) not in self._policies:
            definitions = self.wanted if wanted else self.present
            self._policies[wanted, host] = Policies.of(definitions, host)
        return self._policies[wanted, host]

    def _both(self, section: str) -> tuple[dict[Identity, Object], dict[Identity, Object]]:
        return (
            objects_by_identity(section, self.wanted[section]),
            objects_by_identity(section, self.present[section]),
        )

    # --- what RabbitMQ changes in place ------------------------------------------

    def _hosts(self) -> Iterator[Change]:
        wanted, present = self._both("vhosts")
        for hosts, definitions in ((wanted, self.wanted), (present, self.present)):
            for name in _hosts_in(definitions):
                hosts.setdefault((name,), {"name": name})
        self.new_hosts = {name for (name,) in wanted.keys() - present.keys()}
        self.extra_hosts = {name for (name,) in present.keys() - wanted.keys()}
        for (name,), item in wanted.items():
            if name in self.new_hosts:
                yield Change("create", "virtual host", None, name)
            elif aspects := field_aspects(item, present[name,], item.keys() - {"name"}):
                yield Change("update", "virtual host", None, name, aspects, _IN_PLACE)
        for name in sorted(self.extra_hosts):
            costs = ("everything in it, with the messages of its queues",)
            yield Change("extra", "virtual host", None, name, costs=costs)

    def _users(self) -> Iterator[Change]:
        wanted, present = self._both("users")
        for identity, item in wanted.items():
            name = item["name"]
            place = self._user_position(name)
            if identity not in present:
                yield Change("create", "user", None, name, position=place)
                continue
            aspects = user_aspects(self._password(name), item, present[identity])
            if aspects:
                yield Change("update", "user", None, name, aspects, _IN_PLACE, position=place)
        for identity, item in present.items():
            if identity not in wanted:
                yield Change("extra", "user", None, item["name"], costs=("its permissions",))

    def _user_position(self, name: str) -> Position | None:
        user = self.topology.users.get(name)
        return None if user is None else user.position

    def _password(self, name: str) -> str | None:
        user = self.topology.users.get(name)
        return None if user is None else user.password

    def _in_place(self, section: str, kind: str) -> Iterator[Change]:
        wanted, present = self._both(section)
        key = SECTIONS[section].key
        wanted_users = {item["name"] for item in self.wanted["users"]}
        for identity, item in wanted.items():
            before = present.get(identity)
            if section == "global_parameters" and item["name"].startswith(_OWN_PARAMETERS):
                continue
            host, name, written = _place(section, kind, item)
            position = self._policy_position(section, item)
            if before is None:
                yield Change("create", written, host, name, position=position)
            elif aspects := field_aspects(item, before, item.keys() - set(key), section):
                costs = self._reach(section, item)
                yield Change(
                    "update", written, host, name, aspects, _IN_PLACE, costs, position=position
                )
        for identity, item in present.items():
            if identity in wanted or item.get("vhost") in self.extra_hosts:
                continue
            if section == "global_parameters" and item["name"].startswith(_OWN_PARAMETERS):
                continue
            if "user" in item and item["user"] not in wanted_users:
                continue  # it goes with its user
            host, name, written = _place(section, kind, item)
            yield Change("extra", written, host, name, costs=self._reach(section, item))

    def _policy_position(self, section: str, item: Object) -> Position | None:
        host = self.topology.virtual_hosts.get(item.get("vhost", "/"))
        if host is None or section not in ("policies", "parameters"):
            return None
        policies = host.policies if section == "policies" else host.operator_policies
        policy = policies.get(item["name"])
        return None if policy is None else policy.position

    def _reach(self, section: str, item: Object) -> tuple[str, ...]:
        policy = item if section == "policies" else item.get("value")
        if section == "policies" or item.get("component") == OPERATOR_POLICY:
            host = item.get("vhost", "/")
            number = self._policies_of(host, wanted=False).reach(policy)
            return (f"what it sets changes at once for {_counted(number, 'object')}",)
        return ()

    # --- what RabbitMQ makes anew -------------------------------------------------

    def _declared(self, section: str, kind: str) -> Iterator[Change]:
        wanted, present = self._both(section)
        for identity, item in wanted.items():
            host, name = identity
            before = present.get(identity)
            if before is not None:
                yield from self._recreated(kind, item, before)
            elif kind == "exchange" and (
                _is_predeclared(item) or self._is_unsaid(item, self.present)
            ):
                continue
            else:
                yield Change("create", kind, host, name, position=self._position(kind, host, name))
        for (host, name), item in present.items():
            if (host, name) in wanted or host in self.extra_hosts:
                continue
            if kind == "exchange" and (
                name in PREDECLARED_EXCHANGES or self._is_unsaid(item, self.wanted)
            ):
                continue
            self.extra.add((host, kind, name))
            bindings = self._binding_names(host, kind, name)
            yield Change(
                "extra",
                kind,
                host,
                name,
                costs=_costs(kind, bindings, again=False),
                bindings_lost=bindings,
            )

    def _is_unsaid(self, exchange: Object, other: Definitions) -> bool:
        """Tell whether an internal exchange is on the other side too, which does not list it.

        rabbitmqctl leaves internal exchanges out of its exports, but not their bindings.
        """
        if not exchange.get("internal"):
            return False
        if id(other) not in self._named:
            self._named[id(other)] = {
                (item.get("vhost", "/"), item[end])
                for item in other["bindings"]
                for end in ("source", "destination")
                if end == "source" or item.get("destination_type") == "exchange"
            }
        return (exchange.get("vhost", "/"), exchange["name"]) in self._named[id(other)]

    def _recreated(self, kind: str, item: Object, before: Object) -> Iterator[Change]:
        host, name = item.get("vhost", "/"), item["name"]
        flags = _QUEUE_FLAGS if kind == "queue" else _EXCHANGE_FLAGS
        fixed = field_aspects(item, before, flags, f"{kind}s")
        arguments = argument_aspects(kind, item, before)
        if not fixed and not arguments:
            return
        bindings = self._binding_names(host, kind, name)
        policies = self._policies_of(host, wanted=True)
        yield Change(
            "recreate",
            kind,
            host,
            name,
            (*fixed, *arguments),
            _FIXED,
            _costs(kind, bindings, again=True),
            bindings,
            None if fixed else policies.instead_of(kind, name, arguments),
            self._position(kind, host, name),
        )

    def _position(self, kind: str, host: str, name: str) -> Position | None:
        declared = self.topology.virtual_hosts.get(host)
        if declared is None:
            return None
        objects: Any = declared.queues if kind == "queue" else declared.exchanges
        found = objects.get(name)
        return None if found is None else found.position

    def _binding_names(self, host: str, kind: str, name: str) -> tuple[str, ...]:
        return tuple(map(_binding_name, self.bound.get((host, kind, name), ())))

    # --- bindings -------------------------------------------------------------------

    def _bindings(self) -> Iterator[Change]:
        wanted, present = self._both("bindings")
        new, old = wanted.keys() - present.keys(), present.keys() - wanted.keys()
        pairs: defaultdict[Identity, tuple[list[Object], list[Object]]]
        pairs = defaultdict(lambda: ([], []))  # what is bound to what -> (wanted, present)
        for identity in wanted:
            if identity in new:
                pairs[identity[:4]][0].append(wanted[identity])
        for identity in present:
            if identity in old and not self._goes_along(identity):
                pairs[identity[:4]][1].append(present[identity])
        for (host, *_), (news, olds) in pairs.items():
            for item, before in _paired(news, olds):
                yield self._binding(host, item, before)

    def _goes_along(self, identity: Identity) -> bool:
        """Tell whether a binding goes with its virtual host, exchange or queue, not wanted."""
        host, source, kind, destination = identity[:4]
        return (
            host in self.extra_hosts
            or (host, "exchange", source) in self.extra
            or (host, kind, destination) in self.extra
        )

    def _binding(self, host: str, item: Object | None, before: Object | None) -> Change:
        if item is None:
            assert before is not None
            return Change("extra", "binding", host, _binding_name(before))
        action: Action = "create" if before is None else "replace"
        aspects = (
            ()
            if before is None
            else field_aspects(item, before, ("routing_key", "arguments"), "bindings")
        )
        return Change(action, "binding", host, _binding_name(item), aspects)


def _hosts_in(definitions: Definitions) -> set[str]:
    """Return the virtual hosts that there must be: "/" always, and those that objects are in."""
    sections = [section for section, form in SECTIONS.items() if "vhost" in form.key]
    return {"/"} | {item.get("vhost", "/") for section in sections for item in definitions[section]}


def _paired(
    news: list[Object], olds: list[Object]
) -> Iterator[tuple[Object | None, Object | None]]:
    """Match new bindings with old ones of the same two ends: by key, then by arguments."""
    olds = list(olds)
    for name in ("routing_key", "arguments", ""):
        left: list[Object] = []
        by_value: defaultdict[str, list[Object]] = defaultdict(list)
        for old in olds:
            by_value[canonical_json(old.get(name))].append(old)
        for new in news:
            alike = by_value[canonical_json(new.get(name))]
            if alike:
                yield new, alike.pop(0)
            else:
                left.append(new)
        news = left
        olds = [old for alike in by_value.values() for old in alike]
    yield from ((new, None) for new in news)
    yield from ((None, old) for old in olds)


# --- words --------------------------------------------------------------------------------


def _place(section: str, kind: str, item: Object) -> tuple[str | None, str, str]:
    """Return the virtual host, name and kind by which a change calls an object."""
    host = item.get("vhost", "/") if "vhost" in SECTIONS[section].key else None
    if section == "parameters":
        if item["component"] == OPERATOR_POLICY:
            return host, item["name"], "operator policy"
        return host, f"{item['component']} {item['name']}", kind
    if section == "topic_permissions":
        return host, f"{item['user']} on {item['exchange']}", kind
    return host, item["user"] if "user" in item else item["name"], kind


def _binding_name(item: Object) -> str:
    kind = item.get("destination_type", "queue")
    text = format_binding(
        item["source"],
        [item.get("routing_key", "")],
        item["destination"],
        "exchange" if kind == "exchange" else None,
    )
    arguments = item.get("arguments")
    return f"{text} {canonical_json(arguments)}" if arguments else text


def _is_predeclared(item: Object) -> bool:
    return PREDECLARED_EXCHANGES.get(item["name"]) == item.get("type")


def _costs(kind: str, bindings: tuple[str, ...], *, again: bool) -> tuple[str, ...]:
    costs = []
    if kind == "queue":
        costs.append("every message in it, and its consumers are cancelled")
    elif again:
        costs.append("what is published to it meanwhile: publishers get 404 and a closed channel")
    if bindings:
        end = ", to be made again" if again else ""
        costs.append(f"{_counted(len(bindings), 'binding')}{end}")
    return tuple(costs)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
