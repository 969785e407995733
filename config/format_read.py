"""YAML to a tree that forgets nothing a person wrote: libyaml's events, and the comments between.

libyaml skips comments, but says where each value begins and ends. What lies between two values is
therefore marks of structure, white space and comments, and a `#` there always begins a comment. A
comment on a line of its own belongs to what follows it, unless its column says that it is the last
word of what ended before it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml
from attrs import define, field

from leveret.config.format_tree import Alias, Collection, Comment, Document, Item, Scalar, Value
from leveret.config.nodes import YAML_LOADER
from leveret.config.source import LINE_BREAK

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["comments_of", "read_document"]

#: Between two values: line breaks, comments, and what the next value stands behind.
_BETWEEN = re.compile("(\r\n|[\n\r\x85\u2028\u2029])|(#[^\n\r\x85\u2028\u2029]*)|[-?]|[.]{3}")
#: What stands between most values on one line.
_NO_BREAKS = ("", ":", ": ", ", ")
_PROPERTY = re.compile(r"[&!][^\s,\[\]{}]*")
_SPACE = re.compile(r"\s+")


def read_document(text: str) -> Document:
    """Return the tree of a YAML text with one document.

    Raises:
        yaml.YAMLError: the text is not YAML.

    """
    reader = _Reader(text)
    for event in yaml.parse(text, Loader=YAML_LOADER):
        reader.read(event)
    return reader.document


@define(eq=False)
class _Open:
    """A collection that is still being read; `item` waits for its value."""

    collection: Collection
    braces: bool
    item: Item | None = None


@define(eq=False)
class _Reader:
    text: str
    document: Document = field(factory=Document)
    at: int = 0  # all characters before this are read
    stack: list[_Open] = field(factory=list)
    breaks: int = 0  # line breaks since what was read last
    begun: bool = False  # something stands on the first line that was looked at
    pending: list[Comment] = field(factory=list)  # comments that belong to nothing yet
    ended: list[Collection] = field(factory=list)  # ended since the last value, the deepest first
    beside: list[str] | None = None  # takes a comment on the line of what was read last

    def read(self, event: Any) -> None:
        kind = type(event)
        if kind is yaml.ScalarEvent:
            self.scalar(event)
        elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            self.begin(event, is_map=kind is yaml.MappingStartEvent)
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            self.end(event)
        elif kind is yaml.AliasEvent:
            self.between(event.start_mark.index)
            self.place(Alias(name=event.anchor), event.start_mark.column)
            self.at = event.end_mark.index
        elif kind is yaml.DocumentStartEvent and event.explicit:
            self.document_start(event)
        elif kind is yaml.StreamEndEvent:
            self.between(len(self.text))
            self.settle(None)
            self.document.foot += self.pending

    # --- between values ------------------------------------------------------

    def between(self, end: int) -> None:
        """Read comments and blank lines up to the next value."""
        if end - self.at <= 2 and self.text[self.at : end] in _NO_BREAKS:
            self.at = max(self.at, end)
            return
        inside = False
        for match in _BETWEEN.finditer(self.text, self.at, end):
            if match[1]:
                self.breaks += not inside
            elif match[2]:
                self.comment(match, inside)
            elif match[0] == "...":  # the document ends
                self.breaks, self.beside = 0, None
            else:
                inside = True
        self.at = max(self.at, end)

    def comment(self, match: re.Match[str], inside: bool) -> None:
        text = match[2].rstrip()
        if self.breaks == 0 and self.begun and not inside and self.beside is not None:
            self.beside.append(text)
        else:
            column = match.start() - self.line_start(match.start())
            self.pending.append(Comment(text, column, self.breaks > 1, inside))
            self.breaks = 0
        self.begun = True

    def line_start(self, index: int) -> int:
        """Return where the line begins that a character stands in."""
        start = index
        while start and not LINE_BREAK.match(self.text, start - 1):
            start -= 1
        return start

    def settle(self, item: Item | None) -> None:
        """Give the pending comments to what ended before them, or to the item that follows."""
        if not self.pending:
            self.ended = []
            return
        top = self.stack[-1].collection if self.stack else None
        places: list[tuple[int, list[Comment]]] = []
        if top is None or not top.is_flow:
            for collection in self.ended:
                places += _places_after(collection)
            if top is not None and top.items:
                places += _places_after(top)[:1]
        rest: list[Comment] = []
        for number, comment in enumerate(self.pending):
            while places and comment.column < places[0][0]:
                del places[0]
            if not places or comment.is_inside:
                rest = self.pending[number:]
                break
            places[0][1].append(comment)
        self.ended = []
        self.pending = rest
        if item is not None:
            item.leading += rest
            self.pending = []

    # --- values --------------------------------------------------------------

    def scalar(self, event: Any) -> None:
        start, end = event.start_mark.index, event.end_mark.index
        column = event.start_mark.column
        self.between(start)
        properties = self.properties(event, end)
        style = event.style or ""
        if style in ("|", ">"):
            self.block_scalar(event, properties, end)
            return
        written = self.text[self.at : end] if properties else self.text[start:end]
        value = Scalar(properties, event.value, style, written)
        self.place(value, column)
        self.at = max(self.at, end)

    def block_scalar(self, event: Any, properties: str, end: int) -> None:
        written = self.text[self.at : end]
        header = LINE_BREAK.split(written, 1)[0]
        indicator, _, comment = header.partition("#")
        if "+" not in indicator:  # blank lines below are none of its
            last = len(written.rstrip())
            after = LINE_BREAK.search(written, last)
            written = written[: after.start()] if after else written
        value = Scalar(properties, event.value, event.style, written)
        if self.stack:
            value.parent_column = self.parent_column()
        self.place(value, event.start_mark.column)
        if comment:
            self.last_item().head.append("#" + comment.rstrip())
        self.at += len(written)
        self.beside = None
        if "+" in indicator and self.text[self.at - 1 : self.at] in ("\n", "\r"):
            self.breaks = 1

    def parent_column(self) -> int:
        block = [one.collection for one in self.stack if not one.collection.is_flow]
        return block[-1].column if block else 0

    def properties(self, event: Any, end: int) -> str:
        """Read tag and anchor, and the comments behind them."""
        if event.anchor is None and event.tag is None:
            return ""
        wanted = (event.anchor is not None) + (event.tag is not None)
        found: list[str] = []
        while len(found) < wanted:
            match = _PROPERTY.match(self.text, self.at)
            if match is None:
                break
            found.append(match.group())
            self.at = match.end()
            if len(found) == wanted and isinstance(event, yaml.CollectionStartEvent):
                break
            self.skip_space(max(end, self.at))
        return " ".join(found)

    def skip_space(self, end: int) -> None:
        while self.at < end:
            if space := _SPACE.match(self.text, self.at, end):
                self.at = space.end()
            elif self.text[self.at] == "#" and (
                match := _BETWEEN.match(self.text, self.at, len(self.text))
            ):
                column = self.at - self.line_start(self.at)
                self.pending.append(Comment(match.group().rstrip(), column, is_inside=True))
                self.at = match.end()
            else:
                return

    def begin(self, event: Any, *, is_map: bool) -> None:
        start = event.start_mark.index
        self.between(start)
        is_flow = bool(event.flow_style)
        column = event.start_mark.column
        properties = self.properties(event, event.end_mark.index)
        braces = False
        if properties and is_flow:
            self.skip_space(len(self.text))
        if is_flow and self.text[self.at : self.at + 1] in ("[", "{"):
            braces = self.text[self.at] == ("{" if is_map else "[")
        value = Collection(properties, is_map, is_flow, column)
        self.place(value, column)
        if braces:
            self.at += 1
        if is_flow:
            self.beside = self.last_item().head if self.stack else None
        self.stack.append(_Open(value, braces))

    def end(self, event: Any) -> None:
        top = self.stack[-1]
        if not top.collection.is_flow:
            self.stack.pop()
            self.ended.append(top.collection)
            return
        if top.braces:
            self.between(event.start_mark.index)
            self.at = event.end_mark.index
        top.collection.foot += self.pending
        self.pending = []
        self.stack.pop()
        self.breaks = 0
        self.beside = self.last_item().trailing if self.stack else None

    def place(self, value: Value, column: int) -> None:
        """Make a value part of what is being read."""
        if not self.stack:
            self.document.root = value
            self.beside = None
        else:
            top = self.stack[-1]
            if top.collection.is_map and top.item is not None:
                self.place_value(top, value)
            else:
                self.place_item(top, value, column)
        self.begun = True
        if not isinstance(value, Collection) or value.is_flow:
            self.breaks = 0  # otherwise they are those before its first item

    def place_item(self, top: _Open, value: Value, column: int) -> None:
        blank = self.breaks > 1
        item = Item()
        self.settle(item)
        item.blank_before = blank
        top.collection.items.append(item)
        if not top.collection.is_map:
            item.value = value
            self.beside = item.trailing
            if isinstance(value, Collection) and not value.is_flow:
                self.beside = item.head
            return
        assert isinstance(value, Scalar | Alias)
        item.key = value
        top.item = item
        self.beside = item.head
        if not top.collection.is_flow and len(top.collection.items) == 1:
            top.collection.column = column

    def place_value(self, top: _Open, value: Value) -> None:
        item = top.item
        assert item is not None
        item.value = value
        top.item = None
        if isinstance(value, Collection) and not value.is_flow:
            if not value.is_map:
                value.column = max(value.column, top.collection.column + 1)
            return  # comments before its first item are that one's
        if _is_nothing(value):
            return  # and so are those below it its own
        item.leading += self.pending
        self.pending = []
        self.beside = item.trailing

    def last_item(self) -> Item:
        return self.stack[-1].collection.items[-1]

    def document_start(self, event: Any) -> None:
        self.between(event.start_mark.index)
        self.document.header = self.pending
        self.pending = []
        for line in LINE_BREAK.split(self.text[event.start_mark.index : event.end_mark.index]):
            if line.lstrip().startswith("#"):
                self.document.header.append(Comment(line.strip()))
            elif line.strip():
                self.document.start.append(line.strip())
        self.at = event.end_mark.index
        self.breaks = 0
        self.begun = True
        self.beside = None


def _places_after(collection: Collection) -> list[tuple[int, list[Comment]]]:
    """Return what takes comments at the end of a block, with the least column, deepest first."""
    places = [(collection.column, collection.foot)]
    if collection.items:
        places.insert(0, (collection.column + 1, collection.items[-1].after))
    return places


def _is_nothing(value: Value) -> bool:
    return isinstance(value, Scalar) and not value.written and not value.properties


def comments_of(document: Document) -> Iterator[str]:
    """Yield the text of every comment of a tree, in no particular order."""
    yield from (comment.text for comment in (*document.header, *document.preface, *document.foot))
    values: list[Value | None] = [document.root]
    while values:
        value = values.pop()
        if not isinstance(value, Collection):
            continue
        yield from (comment.text for comment in value.foot)
        for item in value.items:
            yield from (comment.text for comment in (*item.leading, *item.after))
            yield from (*item.head, *item.trailing)
            values.append(item.value)
