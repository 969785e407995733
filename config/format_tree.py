"""A topology file as written: values and their style, comments and blank lines in their place."""

from __future__ import annotations

from typing import Literal

from attrs import define, field

__all__ = ["Alias", "Collection", "Comment", "Document", "Item", "Role", "Scalar", "Value"]

#: What a text is for, where that decides how it is written.
Role = Literal["", "binding", "quantity"]


@define(eq=False)
class Comment:
    """A comment, `#` included; on a line of its own unless it stands in a `head` or `trailing`."""

    text: str
    column: int = 0
    blank_before: bool = False
    #: It stands behind the dash of the item that follows, so that it belongs to it.
    is_inside: bool = False


@define(eq=False)
class Value:
    """Any value; `properties` are its tag and anchor as written."""

    properties: str = ""

    @property
    def is_anchored(self) -> bool:
        """Tell whether an alias may repeat it, or a tag says what it is."""
        return self.properties != ""


@define(eq=False)
class Scalar(Value):
    """A single value. Its text and its spelling hold variables masked, as `Environment` does it."""

    text: str = ""
    #: The quote, "|" or ">"; "" for a plain one.
    style: str = ""
    written: str = ""
    role: Role = ""
    #: Columns by which the lines of a block scalar are indented.
    parent_column: int = 0


@define(eq=False)
class Alias(Value):
    """`*name`: what is anchored is repeated here."""

    name: str = ""


@define(eq=False)
class Item:
    """An entry of a map, or an item of a list, whose key is None."""

    key: Scalar | Alias | None = None
    value: Value | None = None
    leading: list[Comment] = field(factory=list)
    blank_before: bool = False
    #: Comments behind the key, or behind the bracket that opens.
    head: list[str] = field(factory=list)
    #: Comments behind the value.
    trailing: list[str] = field(factory=list)
    #: Comments below it and deeper than it.
    after: list[Comment] = field(factory=list)


@define(eq=False)
class Collection(Value):
    """A map or a list; `foot` are the comments after its last item."""

    is_map: bool = True
    is_flow: bool = False
    column: int = 0
    items: list[Item] = field(factory=list)
    foot: list[Comment] = field(factory=list)


@define(eq=False)
class Document:
    """A whole file. `start` has its directives, and `---`, as written; `header` stands before."""

    root: Value | None = None
    header: list[Comment] = field(factory=list)
    start: list[str] = field(factory=list)
    #: Comments on top that are about the whole file.
    preface: list[Comment] = field(factory=list)
    foot: list[Comment] = field(factory=list)
