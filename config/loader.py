"""Reads a topology file: text to nodes to entries to a `Topology`, or every fault there is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from leveret.config.source import Source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leveret.config.model import Topology
    from leveret.errors import TopologyError

__all__ = ["MAX_FILE_BYTES", "load", "loads"]

#: A topology of 100,000 bindings has about 5 MB; what is larger is some other file.
MAX_FILE_BYTES = 64 * 2**20

_EXAMPLE = "Begin with 'exchanges:', 'queues:' and 'bindings:'."


def load(path: str | os.PathLike[str], *, environment: Mapping[str, str] | None = None) -> Topology:
    """Read a topology file.

    `environment` gives the values of `${NAME}`: by default the process's environment.

    Raises:
        TopologyError: the file cannot be read, or has faults: `faults` has all of them.

    """
    file = os.fspath(path)
    try:
        with open(path, "rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        raise _unreadable(file, error) from None
    return loads(data, file, environment=environment)


def loads(
    text: str | bytes, file: str = "<text>", *, environment: Mapping[str, str] | None = None
) -> Topology:
    """Read a topology from a text, or from bytes in UTF-8; `file` is its name in messages.

    Raises:
        TopologyError: the text has faults: `faults` has all of them.

    """
    # What reads and checks takes long to import, and a broker made by hand needs none of it.
    from leveret.config.assemble import assemble
    from leveret.config.nodes import MapNode, ScalarNode, compose
    from leveret.config.resolve import describe, scalar_value
    from leveret.config.structure import structure

    source = Source(file, _decoded(text, file))
    root = compose(source, os.environ if environment is None else environment)
    if root is None or (isinstance(root, ScalarNode) and scalar_value(root) is None):
        source.report(0, 0, "nothing is declared in this file", _EXAMPLE)
    elif not isinstance(root, MapNode):
        root.fault(f"a topology is a map of sections, and this is {describe(root)}", _EXAMPLE)
    else:
        topology = assemble(file, structure(root))
        if not source.faults:
            return topology
    raise source.stop()


def _unreadable(file: str, error: OSError | ValueError) -> TopologyError:
    message, remedy = "cannot be read", "Check the path."
    match error:
        case FileNotFoundError():
            message, remedy = "does not exist", "Check the path, and the directory you are in."
        case IsADirectoryError():
            message, remedy = "is a directory", "Name the topology file in it."
        case PermissionError():
            message, remedy = "may not be read by you", "Check its owner and permissions."
        case OSError():
            message = f"cannot be read: {error.strerror or error}"
    source = Source(file, "")
    source.report(0, 0, f"the file {message}", remedy)
    return source.stop()


def _decoded(text: str | bytes, file: str) -> str:
    size = len(text)
    message, place, remedy, shown = "", (0, 0), "", ""
    if size > MAX_FILE_BYTES:
        message = f"the file is larger than {MAX_FILE_BYTES // 2**20} MiB"
        remedy = "A topology is far smaller: check that this is one."
    elif isinstance(text, str):
        return text.removeprefix("\ufeff")
    elif text.startswith((b"\xff\xfe", b"\xfe\xff")):
        message, remedy = "the file is in UTF-16", "Save it in UTF-8."
    else:
        try:
            return text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            before = Source(file, text[: error.start].decode("utf-8-sig"))
            place = before.place_of(len(before.text))
            message = f"the byte 0x{text[error.start]:02x} here is not UTF-8"
            remedy = "Save the file in UTF-8."
            shown = text.decode("utf-8-sig", "replace")
    source = Source(file, shown)
    source.report(*place, message, remedy)
    raise source.stop()
