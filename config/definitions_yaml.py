"""A topology as YAML text that a person would have written: `leveret import` writes it.

Sugar where it fits, names in order, bindings of one source together, a comment where something
could not be said.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from attrs import define, field

from leveret.config.binding_text import format_binding
from leveret.config.definitions import SECTIONS, canonical_json, identity_of
from leveret.config.friendly import dead_letter_sugar, exchange_entry, queue_entry
from leveret.config.model import BindingDeclaration
from leveret.config.names import PREDECLARED_EXCHANGES
from leveret.config.source import quoted
from leveret.config.yaml_text import MAX_WIDTH, Raw, block, flow, grouped, scalar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from leveret.config.definitions import Identity
    from leveret.config.definitions_in import Reading, Reference
    from leveret.config.model import Policy, Topology, User, VirtualHost

__all__ = ["YamlText", "topology_yaml"]

_MAX_COMMENT = 160

_KEPT = {
    "users": "Users that the topology language refuses.",
    "vhosts": "Virtual hosts with nothing in them.",
    "permissions": "Permissions that the topology language refuses.",
    "topic_permissions": "Topic permissions that the topology language refuses.",
    "parameters": "Settings of plugins and limits of virtual hosts: federation, shovels and such.",
    "global_parameters": "Settings of the whole cluster.",
    "policies": "Policies that the topology language refuses.",
    "queues": "Queues that leveret cannot have.",
    "exchanges": "Exchanges that leveret cannot have.",
    "bindings": "Bindings of what stands above.",
}


@define(eq=False)
class YamlText:
    """The text, and which object each line is about."""

    lines: list[str] = field(factory=list)
    # first line of an object, counted from 1 -> the object
    places: list[tuple[int, Reference]] = field(factory=list)

    def __str__(self) -> str:
        return "\n".join(self.lines) + "\n"

    def add(self, *lines: str) -> None:
        """Add lines; one that holds a line break counts as several."""
        for line in lines:
            self.lines.extend(line.split("\n"))

    def mark(self, section: str, identity: Identity) -> None:
        """Note that the next line is about an object."""
        self.places.append((len(self.lines) + 1, (section, identity)))

    def at(self, line: int) -> list[Reference]:
        """Return the objects that a line is about; several if it holds several bindings."""
        end = bisect_right(self.places, line, key=itemgetter(0))
        first = bisect_left(self.places, self.places[end - 1][0] if end else 0, key=itemgetter(0))
        return [reference for _, reference in self.places[first:end] if reference[0]]

    def comment(self, text: str, indent: int = 0) -> None:
        """Add a comment on a line of its own."""
        clipped = text if len(text) <= _MAX_COMMENT else text[: _MAX_COMMENT - 1] + "…"
        self.add(" " * indent + "# " + clipped)


def topology_yaml(reading: Reading, heading: Iterable[str] = ()) -> YamlText:
    """Write what was read from definitions as a topology file."""
    text = YamlText()
    for line in heading:
        text.comment(line)
    topology = reading.topology
    text.add("version: 1", f'compatibility: "{topology.compatibility}"')
    hosts = topology.virtual_hosts
    _write_host(text, hosts["/"], 0, reading.remarks)
    others = sorted(host.name for host in hosts.values() if host.name != "/")
    if others:
        text.add("", "virtual_hosts:")
    for number, name in enumerate(others):
        if number:
            text.add("")
        if description := _description(topology, name):
            text.comment(description, 2)
        text.mark("vhosts", (name,))
        lead = f"  {scalar(name)}:"
        text.add(lead)
        start = len(text.lines)
        _write_host(text, hosts[name], 4, reading.remarks)
        if len(text.lines) == start:
            text.lines[-1] = f"{lead} {{}}"
    if topology.users:
        text.add("", "users:")
        for name in sorted(topology.users):
            _write_user(text, topology.users[name])
    _write_rest(text, reading)
    return text


def _description(topology: Topology, host: str) -> str:
    """Return what a virtual host's metadata, which stands under `definitions`, says of it."""
    fields: Any = topology.definitions.fields.get("vhosts")
    for item in fields if isinstance(fields, list) else ():
        metadata = item.get("metadata") if isinstance(item, dict) else None
        if isinstance(metadata, dict) and item.get("name") == host:
            return quoted(" ".join(str(metadata.get("description") or "").split()))[1:-1]
    return ""


def _write_host(
    text: YamlText, host: VirtualHost, indent: int, remarks: Mapping[Reference, str]
) -> None:
    pad = " " * indent
    noted = {identity[-1] for _, identity in remarks if identity[0] == host.name}
    sugared = dead_letter_sugar(host, noted)

    def begin(section: str) -> None:
        if not indent:
            text.add("")
        text.add(f"{pad}{section}:")

    exchanges = sorted(host.exchanges.keys() - {f"{name}.dlx" for name in sugared})
    if exchanges:
        begin("exchanges")
    for name in exchanges:
        _note(text, ("exchanges", (host.name, name)), indent + 2, remarks)
        text.add(*block({name: exchange_entry(host.exchanges[name])}, indent + 2))
    queues = sorted(host.queues.keys() - {f"{name}.dlq" for name in sugared})
    if queues:
        begin("queues")
    for name in queues:
        _note(text, ("queues", (host.name, name)), indent + 2, remarks)
        text.add(*block({name: queue_entry(host.queues[name], name in sugared)}, indent + 2))
    said = [BindingDeclaration(f"{name}.dlx", f"{name}.dlq") for name in sugared]
    bindings = [binding for binding in host.bindings if not sugared or binding not in said]
    if bindings:
        begin("bindings")
        _write_bindings(text, host, bindings, indent + 2)
    for section, policies in (
        ("policies", host.policies),
        ("operator_policies", host.operator_policies),
    ):
        if policies:
            begin(section)
            _write_policies(text, host.name, section, policies, indent + 2, remarks)


def _note(
    text: YamlText, reference: Reference, indent: int, remarks: Mapping[Reference, str]
) -> None:
    if remark := remarks.get(reference):
        text.comment(f"Kept under 'definitions': {remark}.", indent)
    text.mark(*reference)


# --- bindings ---------------------------------------------------------------------


def _write_bindings(
    text: YamlText, host: VirtualHost, bindings: list[BindingDeclaration], indent: int
) -> None:
    pad = " " * indent

    def group(binding: BindingDeclaration) -> tuple[str, str, str, bool]:
        kind = binding.destination_type
        return binding.source, kind, binding.destination, bool(binding.arguments)

    def order(binding: BindingDeclaration) -> tuple[object, ...]:
        return *group(binding), binding.routing_key, canonical_json(binding.arguments)

    spaced = len(bindings) > 12
    before = ""
    for (source, kind, destination, has_arguments), members in groupby(
        sorted(bindings, key=order), group
    ):
        if spaced and before not in ("", source) and not indent > 2:
            text.add("")
        before = source
        if has_arguments:
            for binding in members:
                text.mark("bindings", _binding_identity(host.name, binding))
                _write_long_binding(text, host, binding, indent)
            continue
        written_kind = "exchange" if kind == "exchange" else None
        for keys in _lines_of_keys(source, destination, list(members)):
            line = format_binding(
                source,
                [b.routing_key for b in keys],
                destination,
                written_kind,  # type: ignore[arg-type]
            )
            for binding in keys:
                text.mark("bindings", _binding_identity(host.name, binding))
            text.add(f"{pad}- {scalar(line, item=True)}")


def _binding_identity(host: str, binding: BindingDeclaration) -> Identity:
    return (
        host,
        binding.source,
        binding.destination_type,
        binding.destination,
        binding.routing_key,
        canonical_json(binding.arguments),
    )


def _lines_of_keys(
    source: str, destination: str, bindings: list[BindingDeclaration]
) -> list[list[BindingDeclaration]]:
    """Return the bindings of one pair in groups whose keys fit on a line."""
    room = MAX_WIDTH - len(source) - len(destination) - 20
    lines: list[list[BindingDeclaration]] = []
    used = room + 1
    for binding in bindings:
        used += len(binding.routing_key) + 2
        if used > room or not lines:
            lines.append([])
            used = len(binding.routing_key) + 2
        lines[-1].append(binding)
    return lines


def _write_long_binding(
    text: YamlText, host: VirtualHost, binding: BindingDeclaration, indent: int
) -> None:
    entry: dict[str, Any] = {"source": binding.source, "destination": binding.destination}
    if binding.destination_type == "exchange":
        entry["destination_type"] = "exchange"
    if binding.routing_key:
        entry["routing_key"] = binding.routing_key
    source = host.exchanges.get(binding.source)
    exchange_type = source.routes_as if source else PREDECLARED_EXCHANGES.get(binding.source)
    arguments = {"x-match": None} | binding.arguments if "x-match" in binding.arguments else None
    entry["match" if exchange_type == "headers" else "arguments"] = arguments or binding.arguments
    pad = " " * indent
    line = f"{pad}- {flow(entry)}"
    if len(line) <= MAX_WIDTH:
        text.add(line)
        return
    text.add(*block([entry], indent))


# --- policies, users, the rest ------------------------------------------------------


def _write_policies(
    text: YamlText,
    host: str,
    section: str,
    policies: dict[str, Policy],
    indent: int,
    remarks: Mapping[Reference, str],
) -> None:
    for name in sorted(policies):
        policy = policies[name]
        operator = section == "operator_policies"
        reference: Reference = (
            ("parameters", (host, "operator_policy", name))
            if operator
            else ("policies", (host, name))
        )
        entry: dict[str, Any] = {"pattern": policy.pattern}
        if policy.apply_to != "all":
            entry["apply_to"] = policy.apply_to
        if policy.priority:
            entry["priority"] = policy.priority
        entry["definition"] = {
            key: Raw(grouped(value)) if type(value) is int and value >= 0 else value
            for key, value in policy.definition.items()
        }
        _note(text, reference, indent, remarks)
        text.add(*block({name: entry}, indent))


def _write_user(text: YamlText, user: User) -> None:
    text.mark("users", (user.name,))
    text.add(f"  {scalar(user.name)}:")
    fields = {
        "password": user.password,
        "password_hash": user.password_hash,
        "hashing_algorithm": user.hashing_algorithm,
        "tags": list(user.tags) or None,
    }
    start = len(text.lines)
    for key, value in fields.items():
        if value is not None:
            text.add(f"    {key}: {flow(value)}")
    if user.permissions:
        text.add("    permissions:")
    for host, permission in sorted(user.permissions.items()):
        text.mark("permissions", (user.name, host))
        entry = {key: getattr(permission, key) for key in ("configure", "write", "read")}
        text.add(*block({host: entry}, 6))
    if user.topic_permissions:
        text.add("    topic_permissions:")
    for host, exchanges in sorted(user.topic_permissions.items()):
        text.add(f"      {scalar(host)}:")
        for exchange, topic in sorted(exchanges.items()):
            text.mark("topic_permissions", (user.name, host, exchange))
            text.add(*block({exchange: {"write": topic.write, "read": topic.read}}, 8))
    if len(text.lines) == start:
        text.lines[-1] += " {}"
    text.mark("", ())


def _write_rest(text: YamlText, reading: Reading) -> None:
    rest = reading.topology.definitions
    if not (rest.keep or rest.fields or rest.omit):
        return
    text.add("")
    text.comment(
        "What RabbitMQ's definitions hold beside all this; 'leveret export' adds it again."
    )
    text.add("definitions:")
    if rest.keep:
        text.add("  keep:")
        single = {name: value for name, value in rest.keep.items() if name not in SECTIONS}
        text.add(*(block(single, 4) if single else ()))
        for section in SECTIONS:
            if section in rest.keep:
                _write_kept(text, section, rest.keep[section], reading)
    if rest.fields:
        text.comment("Further fields of objects that stand above.", 2)
        text.add("  fields:", *block(rest.fields, 4))
    if rest.omit:
        text.comment("What the definitions left out.", 2)
        text.add("  omit:", *block(rest.omit, 4))


def _write_kept(text: YamlText, section: str, items: Any, reading: Reading) -> None:
    text.comment(_KEPT[section], 4)
    text.add(f"    {section}:")
    said = ""
    for item in items:
        reason = reading.kept.get((section, identity_of(section, item)), "")
        if reason and reason != said:
            text.comment(reason, 6)
        said = reason
        text.add(*block([item], 6))
