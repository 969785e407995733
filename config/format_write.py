"""A tree as lines of YAML, laid out in one way.

A list or map in brackets stays on its line if it fits there and holds no comment; otherwise each of
its items gets a line. Nothing is ever put into brackets, and no text is ever broken over lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field, frozen

from leveret.config.format_scalars import Speller
from leveret.config.format_tree import Alias, Collection, Scalar
from leveret.config.yaml_text import MAX_KEY, MAX_WIDTH

if TYPE_CHECKING:
    from collections.abc import Iterable

    from leveret.config.environment import Environment
    from leveret.config.format_tree import Comment, Document, Item, Value

__all__ = ["write_document"]


def write_document(document: Document, environment: Environment) -> str:
    """Return the text of a tree, in which variables are no longer masked."""
    writer = _Writer(Speller(environment))
    writer.document(document)
    return environment.unmask("".join(f"{line}\n" for line in writer.lines))


@define(eq=False)
class _Writer:
    speller: Speller
    lines: list[str] = field(factory=list)

    def document(self, document: Document) -> None:
        root = document.root
        self.comments(document.header, 0)
        self.lines += document.start
        self.comments(document.preface, 0)
        if isinstance(root, Collection):
            self.lines += filter(None, [root.properties])
            if root.items:
                self.items(root, 0, is_first=not document.preface)
            else:
                self.lines.append(_empty(root))
                self.comments(root.foot, 0, is_first=False)
        self.comments(document.foot, 0, is_first=False)

    def comments(self, comments: Iterable[Comment], indent: int, *, is_first: bool = True) -> bool:
        """Write comments, each on its line; return whether what follows is still the first."""
        for comment in comments:
            self.line(
                " " * indent + comment.text, blank_before=comment.blank_before and not is_first
            )
            is_first = False
        return is_first

    def line(self, line: str, *, blank_before: bool = False) -> None:
        if blank_before:
            self.lines.append("")
        self.lines.append(line)

    def items(self, collection: Collection, indent: int, *, is_first: bool = True) -> None:
        height_before = 0
        for item in collection.items:
            start = len(self.lines)
            height = self.item(item, indent, is_first=is_first)
            if indent == 0 and min(height, height_before) > 1 and self.lines[start]:
                self.lines.insert(start, "")  # sections of several lines stand apart
            height_before = height
            is_first = False
        self.comments(collection.foot, indent, is_first=False)

    def item(self, item: Item, indent: int, *, is_first: bool) -> int:
        """Write an item; return how many lines it takes, without the comments above it."""
        drawn = self.drawn(item, indent)
        is_first = self.comments(item.leading, indent, is_first=is_first)
        blank = item.blank_before and not is_first
        for line in drawn.above:
            self.line(f"{' ' * indent}{line}" if line else "", blank_before=blank)
            blank = False
        before = len(self.lines)
        self.line("  ".join([drawn.line, *drawn.beside]), blank_before=blank)
        self.lines += drawn.body
        for text in drawn.below:
            self.lines.append(f"{' ' * indent}  {text}")
        self.comments(item.after, indent + 2, is_first=False)
        return len(self.lines) - before - blank

    def drawn(self, item: Item, indent: int) -> _Drawn:
        value, lead = item.value, self.lead(item, " " * indent)
        text = self.text(value)
        if isinstance(value, Collection):
            line = lead if text is None else f"{lead} {text}"
            if text is None or (value.items and len(line) > MAX_WIDTH):
                return self.drawn_collection(item, value, lead, indent)
            below = [comment.text for comment in value.foot]
        else:
            line, below = f"{lead} {text}", []
        body: list[str] = []
        if isinstance(value, Scalar) and (block := self.speller.block(value)):
            line = f"{lead} {_joined(value.properties, block[0])}"
            body = [" " * indent + "  " + part if part else "" for part in block[1]]
        beside = [*item.head, *item.trailing]
        return _Drawn(line.rstrip(), beside[-1:], beside[:-1], body, below)

    def drawn_collection(
        self, item: Item, collection: Collection, lead: str, indent: int
    ) -> _Drawn:
        writer = _Writer(self.speller)
        writer.items(collection, indent + 2)
        head, below = item.head, item.trailing
        if item.key is not None or collection.properties:
            if not head:
                head, below = below[-1:], below[:-1]
            line = _joined(lead, collection.properties)
            return _Drawn(line, head[-1:], head[:-1], writer.lines, below)
        # The first line of a map or list goes behind the dash, and comments above it above that.
        lines = writer.lines
        first = next(number for number, line in enumerate(lines) if not _is_comment(line))
        above = [*head, *(line.strip() for line in lines[:first])]
        line = f"{lead} {lines[first].lstrip(' ')}"
        return _Drawn(line, [], above, lines[first + 1 :], below)

    def lead(self, item: Item, pad: str) -> str:
        """Return what stands before a value on its line: the key, or the dash of a list."""
        key = item.key
        if key is None:
            return f"{pad}-"
        name = self.key(key)
        return f"{pad}? {name}\n{pad}:" if len(name) > MAX_KEY else f"{pad}{name}:"

    def key(self, key: Scalar | Alias) -> str:
        if isinstance(key, Alias):
            return f"*{key.name} "
        text = self.speller.spell(key, in_flow=True)
        if not text:
            return f"{key.properties} " if key.properties else '""'
        return _joined(key.properties, text)

    def text(self, value: Value | None, *, in_flow: bool = False) -> str | None:
        """Return a value as it stands on one line; None if it has comments or is too long."""
        if isinstance(value, Alias):
            return f"*{value.name}"
        if isinstance(value, Scalar):
            text = self.speller.spell(value, in_flow=in_flow)
            space = " " if in_flow and value.properties and not text else ""
            return _joined(value.properties, text) + space
        assert isinstance(value, Collection)
        if not value.items:
            return _joined(value.properties, _empty(value))
        if not value.is_flow or value.foot:
            return None
        parts: list[str] = []
        width = 0
        for item in value.items:
            part = self.text(item.value, in_flow=True)
            if part is None or item.leading or item.head or item.trailing or item.after:
                return None
            parts.append(part if item.key is None else self.pair(item.key, part))
            width += len(parts[-1]) + 2
            if width > MAX_WIDTH:
                return None  # at once, so that deep brackets are not read over and over
        inner = ", ".join(parts)
        return _joined(value.properties, f"{{{inner}}}" if value.is_map else f"[{inner}]")

    def pair(self, key: Scalar | Alias, text: str) -> str:
        name = self.key(key)
        if isinstance(key, Scalar) and len(key.text) > MAX_KEY // 10:
            name = f"? {name} "
        return f"{name}: {text}" if text else name


@frozen
class _Drawn:
    """An item: its first line with the comments beside, above and below it."""

    line: str
    beside: list[str]
    above: list[str]  # without indentation
    body: list[str]
    below: list[str]  # without indentation


def _is_comment(line: str) -> bool:
    return line.lstrip(" ").startswith("#") or not line


def _joined(*parts: str) -> str:
    return " ".join(filter(None, parts))


def _empty(collection: Collection) -> str:
    return "{}" if collection.is_map else "[]"
