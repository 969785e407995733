"""`leveret import`: RabbitMQ's definitions into a topology file that loads and loses nothing.

What is written is read again: an object that the topology language refuses, or reads as another
one, is moved to the section `definitions` and kept there as it is. So nothing is lost by
construction, whatever the definitions hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from leveret.config.binding_text import format_binding
from leveret.config.definitions import (
    SECTIONS,
    Definitions,
    canonical_json,
    objects_by_identity,
)
from leveret.config.definitions_in import Reading, Reference, read_definitions
from leveret.config.definitions_out import to_definitions
from leveret.config.definitions_parse import parse_definitions
from leveret.config.definitions_yaml import YamlText, topology_yaml
from leveret.config.loader import loads
from leveret.config.source import quoted
from leveret.errors import TopologyError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leveret.config.model import Topology

__all__ = ["Imported", "import_definitions"]

_UNREAD = "it reads as something else in a topology file"


@frozen
class Imported:
    """A topology file made of definitions."""

    #: The text of the file.
    text: str
    #: What the text declares.
    topology: Topology
    #: What a topology cannot say and the file keeps for `leveret export`, a line each.
    notes: tuple[str, ...]


def import_definitions(text: str | bytes, file: str = "<text>") -> Imported:
    """Return definitions, as JSON text, as a topology file.

    Raises:
        TopologyError: the text is not RabbitMQ's definitions.

    """
    definitions = parse_definitions(text, file)
    refused: dict[Reference, str] = {}
    while True:
        reading = read_definitions(definitions, file, refused)
        written = topology_yaml(reading, _heading(definitions, file))
        found = _refusals(written, reading)
        if isinstance(found, dict):
            refused |= found
            continue
        return Imported(str(written), found, tuple(_notes(reading)))


def _refusals(written: YamlText, reading: Reading) -> dict[Reference, str] | Topology:
    """Return the objects that do not come back as they were written, or what was read."""
    try:
        topology = loads(str(written), reading.topology.file, environment={})
    except TopologyError as error:
        found: dict[Reference, str] = {}
        for fault in error.faults:
            for reference in written.at(fault.position.line):
                found.setdefault(reference, fault.message)
        if not found:
            raise
        return found
    before, after = to_definitions(reading.topology), to_definitions(topology)
    changed = dict.fromkeys(_differences(before, after), _UNREAD)
    return changed or topology


def _differences(before: Definitions, after: Definitions) -> Iterator[Reference]:
    for section in SECTIONS:
        read = objects_by_identity(section, after.get(section, []))
        for identity, item in objects_by_identity(section, before.get(section, [])).items():
            if canonical_json(read.get(identity)) != canonical_json(item):
                yield section, identity


def _heading(definitions: Definitions, file: str) -> Iterator[str]:
    version = definitions.get("rabbitmq_version", definitions.get("rabbit_version"))
    by = f" of RabbitMQ {version}" if isinstance(version, str) else ""
    yield f"Imported by leveret from the definitions{by} in {quoted(file)[1:-1]}."


def _notes(reading: Reading) -> Iterator[str]:
    rest = reading.topology.definitions
    single = [name for name in rest.keep if name not in SECTIONS]
    if single:
        yield f"kept: {', '.join(map(_printable, single))}"
    for section in SECTIONS:
        kept, fields = rest.keep.get(section), rest.fields.get(section)
        reasons = {
            reference: reason
            for reference, reason in reading.kept.items()
            if reference[0] == section
        }
        if isinstance(kept, list) and len(kept) > len(reasons):
            yield f"kept: {_counted(len(kept) - len(reasons), SECTIONS[section].singular)}"
        for reference, reason in reasons.items():
            yield f"kept: {describe(reference)}: {reason}"
        if isinstance(fields, list):
            names = sorted({
                name
                for item in fields
                if isinstance(item, dict)
                for name in item.keys() - set(SECTIONS[section].key)
            })  # fmt: skip
            what = _counted(len(fields), SECTIONS[section].singular)
            yield f"kept: {', '.join(map(_printable, names))} of {what}"
    for reference, remark in reading.remarks.items():
        yield f"{describe(reference)}: {remark}"


def _printable(name: str) -> str:
    return quoted(name)[1:-1]


def _counted(number: int, noun: str) -> str:
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun.removesuffix('y')}{'ies' if noun.endswith('y') else 's'}"


def describe(reference: Reference) -> str:
    """Return an object's kind and name, as notes call it."""
    section, identity = reference
    kind = SECTIONS[section].singular
    if section == "bindings":
        host, source, _, destination, key, _ = identity
        name = quoted(format_binding(source, [key], destination))
        return f"binding {name}" + ("" if host == "/" else f" of virtual host {quoted(host)}")
    host = identity[0] if SECTIONS[section].key[0] == "vhost" else "/"
    name = quoted(" ".join(identity[1:] if SECTIONS[section].key[0] == "vhost" else identity))
    return f"{kind} {name}" + ("" if host == "/" else f" of virtual host {quoted(host)}")
