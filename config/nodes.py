"""YAML to a tree of nodes that know their place, bounded in depth and in what aliases unfold to.

libyaml's events are read one by one and put together here with a stack of our own. PyYAML's
composer would recurse (a file of 100,000 brackets then ends the process), would refuse nothing that
aliases blow up, and would read YAML 1.1. Whatever the bytes, the outcome is a tree or a fault.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NoReturn

import yaml
from attrs import define, field

from leveret.config.environment import Environment
from leveret.config.findings import DEFINED_TWICE, MALFORMED
from leveret.config.source import Source, quoted
from leveret.config.yaml_errors import MAX_DEPTH, TOO_DEEP, explain_yaml_error, help_with_alias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from leveret.errors import Position

__all__ = [
    "ALIASED_NODES_PER_CHARACTER",
    "CORE_TAG",
    "MAX_ALIASED_NODES",
    "MAX_DEPTH",
    "YAML_LOADER",
    "ListNode",
    "MapNode",
    "Node",
    "ScalarNode",
    "compose",
]

#: What the `!!` of YAML's own tags stands for.
CORE_TAG = "tag:yaml.org,2002:"

#: Nodes that aliases may add to any file by repeating what is anchored ("billion laughs"), and
#: for each byte or so of a larger one. Reading and checking a node takes some 20 microseconds.
MAX_ALIASED_NODES = 10_000
ALIASED_NODES_PER_CHARACTER = 1 / 8

#: Events of YAML between two words about progress: some milliseconds.
_PROGRESS_STEP = 4096

#: libyaml, or PyYAML's own parser where it is missing.
YAML_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

#: What YAML 1.2 allows in a file (section 5.1), less the surrogates that Python strings may hold.
_NOT_YAML = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@define(eq=False)
class Node:
    """A value as written, and where. Lines and columns count from 0."""

    source: Source
    line: int
    column: int

    @property
    def position(self) -> Position:
        """The place where the value begins."""
        return self.source.position(self.line, self.column)

    def fault(self, message: str, remedy: str, code: str = MALFORMED) -> None:
        """Report a fault at this place."""
        self.source.report(self.line, self.column, message, remedy, code)


@define(eq=False)
class ScalarNode(Node):
    """A single value: its text, whether it stood without quotes, and its tag if it has one."""

    text: str
    plain: bool
    tag: str | None = None
    faulty: bool = False  # its fault is reported; whoever reads it leaves it out
    written: str = ""  # the text before variables were put in, if it holds any

    def fault_at(self, offset: int, message: str, remedy: str, code: str = MALFORMED) -> None:
        """Report a fault at a character of the text."""
        column = self.column_of(offset)
        at = self.column if column is None else column
        self.source.report(self.line, at, message, remedy, code)

    def column_of(self, offset: int) -> int | None:
        """Return the column of a character of the text; None where the file spells it otherwise.

        A text that was folded from several lines, holds escapes or came from the environment has
        no such column.
        """
        line = self.source.line(self.line)
        for start in (self.column, self.column + 1):
            if line.startswith(self.text, start):
                return start + offset
        return None


@define(eq=False)
class ListNode(Node):
    """Values in order."""

    items: list[Node] = field(factory=list)


@define(eq=False)
class MapNode(Node):
    """Keys and values in the order written; no key is there twice."""

    pairs: list[tuple[ScalarNode, Node]] = field(factory=list)


@define(eq=False)
class _Open:
    """A list or map that is still being read."""

    node: ListNode | MapNode
    anchor: str | None
    key: ScalarNode | None = None
    skip_value: bool = False
    seen: dict[str, ScalarNode] = field(factory=dict)  # key -> where it was written first
    size: int = 1
    height: int = 1


@define(eq=False)
class _Composer:
    source: Source
    environment: Environment
    stack: list[_Open] = field(factory=list)
    # anchor -> (node, how many nodes it unfolds to, how many levels it is high); None while open
    anchors: dict[str, tuple[Node, int, int] | None] = field(factory=dict)
    aliased: int = 0
    root: Node | None = None

    def place(self, node: Node, size: int = 1, height: int = 1) -> None:
        if not self.stack:
            self.root = node
            return
        top = self.stack[-1]
        top.size += size
        if height >= top.height:
            top.height = height + 1
        container = top.node
        if isinstance(container, ListNode):
            container.items.append(node)
        elif top.skip_value:
            top.skip_value = False
        elif top.key is None:
            self.place_key(top, node)
        else:
            container.pairs.append((top.key, node))
            top.key = None

    def place_key(self, top: _Open, node: Node) -> None:
        top.skip_value = True
        if not isinstance(node, ScalarNode):
            node.fault("a key must be a name, not a list or a map", "Write the key as plain text.")
        elif node.text == "<<" and node.plain:
            node.fault(
                "YAML 1.2 has no merge key '<<'",
                "Use 'defaults' for what objects share, or write the keys out.",
            )
        elif first := top.seen.get(node.text):
            node.fault(
                f"{quoted(node.text)} is defined twice; the first is on line {first.line + 1}",
                "Keep one of the two, or give them different names.",
                DEFINED_TWICE,
            )
        else:
            top.seen[node.text] = node
            top.key = node
            top.skip_value = False

    def scalar(self, event: Any) -> None:
        mark = event.start_mark
        node = ScalarNode(
            self.source, mark.line, mark.column, event.value, not event.style, event.tag
        )
        if event.tag is not None:
            check_tag(node, event.tag, ("str", "int", "float", "bool", "null"))
        if self.environment.may_hold(node.text):
            self.environment.replace(node, is_key=self.expects_key())
        if event.anchor is not None:
            self.anchors[event.anchor] = (node, 1, 1)
        self.place(node)

    def expects_key(self) -> bool:
        if not self.stack:
            return False
        top = self.stack[-1]
        return isinstance(top.node, MapNode) and top.key is None and not top.skip_value

    def begin(self, node: ListNode | MapNode, event: Any) -> None:
        anchor: str | None = event.anchor
        check_tag(node, event.tag, ("map", "seq"))
        if len(self.stack) >= MAX_DEPTH:
            node.fault(*TOO_DEEP)
            raise self.source.stop()
        if anchor is not None:
            self.anchors[anchor] = None
        self.stack.append(_Open(node, anchor))

    def end(self) -> None:
        top = self.stack.pop()
        if top.anchor is not None:
            self.anchors[top.anchor] = (top.node, top.size, top.height)
        self.place(top.node, top.size, top.height)

    def alias(self, event: Any) -> None:
        mark, name = event.start_mark, event.anchor
        if name not in self.anchors:
            message, remedy = help_with_alias(self.source.line(mark.line), mark.column, name)
            self.source.report(mark.line, mark.column, message, remedy)
            self.place(
                ScalarNode(
                    self.source, mark.line, mark.column, "*" + name, plain=False, faulty=True
                )
            )
            return
        anchored = self.anchors[name]
        if anchored is None:
            self.give_up(event, f"the alias '*{name}' stands inside what it repeats")
        node, size, height = anchored
        self.aliased += size
        most = MAX_ALIASED_NODES + int(len(self.source.text) * ALIASED_NODES_PER_CHARACTER)
        if len(self.stack) + height > MAX_DEPTH:
            self.give_up(event, f"this alias nests lists and maps more than {MAX_DEPTH} deep")
        if self.aliased > most:
            self.give_up(
                event,
                f"aliases repeat more than {most:,} values, which is more than a file of this size"
                " can need",
                "Use 'defaults' for what objects share, or write the values out.",
            )
        self.place(node, size, height)

    def give_up(
        self, event: Any, message: str, remedy: str = "Write the values out here."
    ) -> NoReturn:
        mark = event.start_mark
        self.source.report(mark.line, mark.column, message, remedy)
        raise self.source.stop()


def check_tag(node: Node, tag: str | None, known: tuple[str, ...]) -> None:
    """Report a tag outside YAML 1.2's core schema: nothing here would know what to make of it."""
    if tag not in (None, "!") and (tag or "").removeprefix(CORE_TAG) not in known:
        node.fault(
            f"the YAML tag {quoted((tag or '').replace(CORE_TAG, '!!'))} means nothing here",
            "Remove it, and put the value in quotes if it is text.",
        )


def compose(
    source: Source,
    environment: Mapping[str, str] | None,
    loader: Any = None,
    on_progress: Callable[[float], None] | None = None,
) -> Node | None:
    """Return the root of a file's tree, or None for a file without a document.

    Faults that leave a tree (a key written twice, a variable that is not set) are reported to
    `source`. Without an `environment`, variables stay open: their nodes are `faulty`, which is not
    reported. `loader` is PyYAML's: by default libyaml's, or the one in Python without it.
    `on_progress` is told how much of the text was read, from 0 to 1.

    Raises:
        TopologyError: the text is not YAML, has several documents, or is nested beyond reason.

    """
    if bad := _NOT_YAML.search(source.text):
        code = f"U+{ord(bad.group()):04X}"
        source.report(
            *source.place_of(bad.start()),
            f"the character {code} is not allowed in YAML",
            'Remove it; in double quotes it can be written as an escape such as "\\x07".',
        )
        raise source.stop()
    variables = Environment.of(source, environment)
    composer = _Composer(source, variables)
    try:
        events = yaml.parse(variables.masked, Loader=loader or YAML_LOADER)
        _feed(composer, _watched(events, len(source.text), on_progress) if on_progress else events)
    except yaml.YAMLError as error:
        line, column, message, remedy = explain_yaml_error(source, error)
        source.report(line, column, message, remedy)
        raise source.stop() from None
    return composer.root


def _watched(
    events: Iterator[Any], size: int, on_progress: Callable[[float], None]
) -> Iterator[Any]:
    for number, event in enumerate(events):
        if number % _PROGRESS_STEP == 0:
            on_progress(event.start_mark.index / (size or 1))
        yield event


def _feed(composer: _Composer, events: Iterator[Any]) -> None:
    source = composer.source
    documents = 0
    for event in events:
        kind = type(event)
        mark = event.start_mark
        if kind is yaml.ScalarEvent:
            composer.scalar(event)
        elif kind is yaml.MappingStartEvent:
            composer.begin(MapNode(source, mark.line, mark.column), event)
        elif kind is yaml.SequenceStartEvent:
            composer.begin(ListNode(source, mark.line, mark.column), event)
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            composer.end()
        elif kind is yaml.AliasEvent:
            composer.alias(event)
        elif kind is yaml.DocumentStartEvent:
            documents += 1
            if documents == 2:
                source.report(
                    mark.line,
                    mark.column,
                    "a second YAML document begins here; a topology is one document",
                    "Remove the '---' line, or put what follows into a file of its own.",
                )
                raise source.stop()
