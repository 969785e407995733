"""Reads a topology file: text to nodes to entries to a `Topology`, or every fault there is."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

from leveret.config.reading import MAX_FILE_BYTES, decode, why_unreadable
from leveret.config.source import Source
from leveret.errors import TopologyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from leveret.config.findings import Finding
    from leveret.config.model import Topology
    from leveret.errors import Fault

__all__ = ["MAX_FILE_BYTES", "attempt", "check_file", "load", "loads", "schema"]

_UNREADABLE = {
    "does not exist": "Check the path, and the directory you are in.",
    "is a directory": "Name the topology file in it.",
    "may not be read by you": "Check its owner and permissions.",
}


def load(path: str | os.PathLike[str], *, environment: Mapping[str, str] | None = None) -> Topology:
    """Read a topology file, and the files it includes.

    `environment` gives the values of `${NAME}`: by default the process's environment.

    Raises:
        TopologyError: a file cannot be read, or has faults: `faults` has all of them.

    """
    file = os.fspath(path)
    return loads(_read(file), file, environment=environment)


def loads(
    text: str | bytes, file: str = "<text>", *, environment: Mapping[str, str] | None = None
) -> Topology:
    """Read a topology from a text, or from bytes in UTF-8; `file` is its name in messages.

    Files that it includes are looked for beside `file`.

    Raises:
        TopologyError: the text has faults: `faults` has all of them.

    """
    topology, faults = attempt(text, file, environment=environment)
    if topology is None or faults:
        raise TopologyError(faults)
    return topology


def check_file(
    path: str | os.PathLike[str],
    profile: str | None = None,
    *,
    notes: bool = False,
    environment: Mapping[str, str] | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> tuple[Topology | None, list[Finding]]:
    """Read a topology file and check it, faulty or not: return what it declares, and all findings.

    `on_progress` is told from time to time how much is done, from 0 to 1. Findings come sorted by
    place; of a faulty file, those that its faults may have caused are left out.
    """
    from leveret.config.lint import lint

    file = os.fspath(path)

    def tell(begin: float, share: float) -> Callable[[float], None] | None:
        return None if on_progress is None else lambda done: on_progress(begin + share * done)

    try:
        data = _read(file)
    except TopologyError as error:
        return None, _findings(error.faults)
    topology, found = attempt(data, file, environment=environment, on_progress=tell(0, 0.7))
    if topology is None:
        return None, found
    known = {(fault.position, fault.message) for fault in found}
    checked = lint(topology, profile, notes=notes, is_whole=not found, on_progress=tell(0.7, 0.3))
    found += [one for one in checked if (one.position, one.message) not in known]
    return topology, sorted(found, key=lambda one: (*one.position.order, one.code))


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 7) of topology files, made of JSON's own types, for editors.

    Exchange types are those of this installation, plug-ins included.
    """
    from leveret.config.json_schema import topology_schema

    return topology_schema()


def attempt(
    text: str | bytes,
    file: str,
    *,
    environment: Mapping[str, str] | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> tuple[Topology | None, list[Finding]]:
    """Return what a text declares, as far as it can be told, and its faults, unsorted."""
    # What reads and checks takes long to import, and a broker made by hand needs none of it.
    from leveret.config.assemble import assemble
    from leveret.config.files import Files

    topology = None
    files = Files(os.environ if environment is None else environment, on_progress)
    try:
        source = Source(file, decode(text, file))
    except TopologyError as error:
        return None, _findings(error.faults)
    entries = files.read(source)
    if entries:
        # Beyond too many faults nobody reads on; they are in their sources.
        with contextlib.suppress(TopologyError):
            topology = assemble(file, entries, files.sources)
    return topology, [one for source in files.sources for one in _findings(source.faults)]


def _findings(faults: Iterable[Fault]) -> list[Finding]:
    """Return faults as what they are: whatever a source reports is a finding."""
    from leveret.config.findings import Finding

    return [fault for fault in faults if isinstance(fault, Finding)]


def _read(file: str) -> bytes:
    try:
        with open(file, "rb") as stream:
            return stream.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        why = why_unreadable(error)
        source = Source(file, "")
        source.report(0, 0, f"the file {why}", _UNREADABLE.get(why, "Check the path."))
        raise source.stop() from None
