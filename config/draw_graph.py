"""What a picture shows: boxes and arrows by virtual host, before any layout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from attrs import define, field

if TYPE_CHECKING:
    from leveret.config.diff import Action

__all__ = [
    "Arrow",
    "Box",
    "BoxId",
    "Drawing",
    "HostDrawing",
    "Kind",
    "label_of",
    "printable",
]

Kind = Literal["exchange", "queue"]
#: Kind and name.
BoxId = tuple[Kind, str]

#: More keys than this are counted on an arrow, and not named.
_MAX_KEYS = 4
#: A longer text is cut in its middle.
_MAX_TEXT = 34


@define(eq=False)
class Box:
    """An exchange or a queue, or several of them under one name."""

    kind: Kind
    name: str
    #: A second line: the exchange's type, the queue's settings.
    subtitle: str = ""
    #: Whether a message can come here: a queue by a binding or as a dead letter.
    reached: bool = True
    #: What the checker warns of, a line each.
    warnings: list[str] = field(factory=list)
    #: Whether it is on the route that is shown; None if no route is shown.
    lit: bool | None = None
    #: How many objects it stands for.
    members: int = 1
    #: What is done to it, where a difference is drawn; None for nothing.
    action: Action | None = None

    @property
    def id(self) -> BoxId:
        """What tells it from the others of its virtual host."""
        return self.kind, self.name

    @property
    def title(self) -> str:
        """Its name as pictures show it."""
        return printable(self.name) if self.name else "default exchange"


@define(eq=False)
class Arrow:
    """All bindings from one box to another, or an alternate, or dead letters."""

    source: BoxId
    target: BoxId
    kind: Literal["binding", "alternate", "dead-letter"] = "binding"
    label: list[str] = field(factory=list)
    reached: bool = True
    lit: bool | None = None
    #: How many bindings it stands for.
    members: int = 1
    #: What the checker warns of, a line each.
    warnings: list[str] = field(factory=list)
    #: What is done to its bindings, where a difference is drawn; None for nothing.
    action: Action | None = None


@define(eq=False)
class HostDrawing:
    """The boxes and arrows of one virtual host."""

    name: str
    boxes: dict[BoxId, Box] = field(factory=dict)
    arrows: list[Arrow] = field(factory=list)


@define(eq=False)
class Drawing:
    """A whole picture."""

    title: str
    hosts: list[HostDrawing]
    #: The route that is shown, in words; "" if none is.
    route: str = ""
    #: Whether it shows what is done to what is there.
    difference: bool = False

    @property
    def boxes(self) -> int:
        """How many boxes there are."""
        return sum(len(host.boxes) for host in self.hosts)

    @property
    def arrows(self) -> int:
        """How many arrows there are."""
        return sum(len(host.arrows) for host in self.hosts)


def printable(text: str, limit: int = _MAX_TEXT) -> str:
    """Return a name or key as pictures show it: on one line, cut in the middle if it is long."""
    shown = text if text.isprintable() else "".join(map(_escaped, text))
    if len(shown) <= limit:
        return shown
    half = (limit - 1) // 2
    return f"{shown[: limit - 1 - half]}…{shown[-half:]}"


def _escaped(character: str) -> str:
    return character if character.isprintable() else ascii(character)[1:-1]


def label_of(labels: list[str]) -> list[str]:
    """Return the lines on an arrow; more than a few are counted."""
    shown = [label for label in dict.fromkeys(labels) if label]
    if len(shown) > _MAX_KEYS:
        return [*shown[: _MAX_KEYS - 1], f"and {len(shown) - _MAX_KEYS + 1:,} more"]
    return shown
