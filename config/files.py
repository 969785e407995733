"""The files of one topology: the one that is named, and those it includes, each read once."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from attrs import define, field

from leveret.config.findings import MISSING
from leveret.config.names import nearest
from leveret.config.nodes import ListNode, MapNode, ScalarNode, compose
from leveret.config.reading import MAX_FILE_BYTES, decode, why_unreadable
from leveret.config.resolve import describe, scalar_value
from leveret.config.source import Source, quoted
from leveret.config.structure import structure
from leveret.errors import TopologyError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from leveret.config.entries import TopologyEntry
    from leveret.config.nodes import Node

__all__ = ["MAX_FILES", "Files", "read_entry"]

#: Files that one topology is put together from: more are a mistake, or meant to do harm.
MAX_FILES = 200

_EXAMPLE = "Begin with 'exchanges:', 'queues:' and 'bindings:'."


@define(eq=False)
class Files:
    """Reads a topology's files; what is wrong with one is noted in its source."""

    environment: Mapping[str, str]
    #: Told how much of a file was read so far, from 0 to 1.
    on_progress: Callable[[float], None] | None = None
    sources: list[Source] = field(factory=list)
    # real path -> whether it is still being read, which makes another mention of it a circle
    _open: dict[str, bool] = field(factory=dict)
    _chain: list[str] = field(factory=list)  # names of the files being read, each includes the next

    def read(self, source: Source) -> list[TopologyEntry]:
        """Return the entries of a file, after those of the files that it includes."""
        self.sources.append(source)
        path = os.path.realpath(source.file)
        self._open[path] = True
        self._chain.append(source.file)
        try:
            entry = read_entry(source, self.environment, self.on_progress)
            if entry is None:
                return []
            return [*self._included(source, entry), entry]
        except TopologyError:
            return []  # its faults are in the source
        finally:
            self._open[path] = False
            self._chain.pop()

    def _included(self, source: Source, entry: TopologyEntry) -> list[TopologyEntry]:
        found: list[TopologyEntry] = []
        node = entry.nodes.get("include")
        for item in node.items if isinstance(node, ListNode) else ():
            if isinstance(item, ScalarNode) and not item.faulty and scalar_value(item) is not None:
                found += self._include(item, os.path.dirname(source.file))
        return found

    def _include(self, item: ScalarNode, directory: str) -> list[TopologyEntry]:
        name = os.path.normpath(os.path.join(directory, item.text)) if item.text else ""
        if "\0" in name or not name:
            item.fault("this is no name of a file", "Write the path of a topology file.")
            return []
        path = os.path.realpath(name)
        if self._open.get(path):
            circle = " → ".join([*self._chain, name])
            item.fault(f"these files include each other: {circle}", "Remove one of the includes.")
            return []
        if path in self._open:
            return []  # by another way, too: it is one file
        if len(self._open) >= MAX_FILES:
            item.fault(f"more than {MAX_FILES} files are included", "Use fewer, larger files.")
            return []
        return self._read_included(item, name)

    def _read_included(self, item: ScalarNode, name: str) -> list[TopologyEntry]:
        try:
            with open(name, "rb", opener=_open_file) as stream:
                data = stream.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            item.fault(
                f"the included file {quoted(name)} {why_unreadable(error)}",
                _include_help(item, name),
                MISSING,
            )
            return []
        try:
            return self.read(Source(name, decode(data, name)))
        except TopologyError as error:
            self.sources.append(Source(name, "", list(error.faults)))
            return []


def read_entry(
    source: Source,
    environment: Mapping[str, str] | None,
    on_progress: Callable[[float], None] | None = None,
) -> TopologyEntry | None:
    """Return what one file says, by itself; None, and a fault, if it says nothing.

    Without an `environment`, variables stay open, as in `compose`.

    Raises:
        TopologyError: the file is not YAML.

    """
    root = compose(source, environment, on_progress=on_progress)
    if root is None or (isinstance(root, ScalarNode) and scalar_value(root) is None):
        source.report(0, 0, "nothing is declared in this file", _EXAMPLE)
    elif not isinstance(root, MapNode):
        root.fault(f"a topology is a map of sections, and this is {describe(root)}", _EXAMPLE)
    else:
        return structure(root)
    return None


def _open_file(path: str, flags: int) -> int:
    """Open a file, and refuse what is none: a pipe or a terminal could keep us waiting for ever."""
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        os.close(descriptor)
        raise OSError("it is not a regular file")
    return descriptor


def _include_help(item: Node, name: str) -> str:
    directory = os.path.dirname(name) or "."
    try:
        neighbours = os.listdir(directory)
    except OSError:
        neighbours = []
    if close := nearest(os.path.basename(name), neighbours):
        return f"Did you mean '{close}'?"
    return f"Paths are relative to the file that includes, {quoted(item.source.file)}."
