"""Reads a file that may be a topology or RabbitMQ's definitions, told apart by what is in it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from leveret.config.definitions import is_definitions
from leveret.config.loader import MAX_FILE_BYTES, load, loads

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leveret.config.model import Topology

__all__ = ["load_any", "loads_any"]


def load_any(
    path: str | os.PathLike[str], *, environment: Mapping[str, str] | None = None
) -> Topology:
    """Read a topology file or a definitions file.

    Definitions are taken as they are: what a topology file could not declare, such as a stream,
    is in `Topology.definitions`.

    Raises:
        TopologyError: the file cannot be read, or has faults: `faults` has all of them.

    """
    try:
        with open(path, "rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError):
        return load(path, environment=environment)  # which says what is wrong
    if not _may_be_definitions(data):
        return load(path, environment=environment)
    return loads_any(data, os.fspath(path), environment=environment)


def loads_any(
    data: bytes | str, file: str = "<text>", *, environment: Mapping[str, str] | None = None
) -> Topology:
    """Read a topology or definitions from a text; `file` is its name in messages.

    Raises:
        TopologyError: the text has faults: `faults` has all of them.

    """
    from leveret.config.definitions_in import read_definitions
    from leveret.config.definitions_parse import parse_definitions

    if len(data) <= MAX_FILE_BYTES and _may_be_definitions(data):
        try:
            known = is_definitions(json.loads(data))
        except (ValueError, RecursionError):
            known = False  # YAML in braces, or a text that is neither
        if known:
            return read_definitions(parse_definitions(data, file), file).topology
    return loads(data, file, environment=environment)


def _may_be_definitions(data: bytes | str) -> bool:
    if isinstance(data, bytes):
        return data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{"
    return data.removeprefix("\ufeff").lstrip()[:1] == "{"
