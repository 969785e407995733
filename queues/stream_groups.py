"""Consumer groups of a stream: each with a stored offset, and one active consumer at a time.

RabbitMQ has this in its stream protocol (a consumer's `name`, `store_offset`, `query_offset`,
single active consumer), LavinMQ over AMQP (`x-stream-automatic-offset-tracking`: the consumer tag
is the name). A stored offset is that of the last message that was handled with all before it; a
consumer of the group goes on behind it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leveret.properties import FieldTable
    from leveret.queues.stream_reader import StreamReader

__all__ = ["StreamGroup", "StreamGroups", "group_name"]


def group_name(consumer_tag: str, arguments: FieldTable) -> str | None:
    """Return the group that a consumer asks for: `x-stream-group`, or its tag; None for none."""
    name = arguments.get("x-stream-group")
    if isinstance(name, str):
        return name
    tracks = arguments.get("x-stream-automatic-offset-tracking")
    return consumer_tag if tracks in (True, "true") else None


@define(eq=False)
class StreamGroup:
    """Consumers that share a place in a stream. The first of `members` is the active one."""

    name: str
    #: The offset of the last message that was handled with all before it.
    offset: int
    members: list[StreamReader] = field(factory=list, init=False)
    #: Messages below this were with a consumer: they come again as redelivered.
    delivered_end: int = field(default=0, init=False)

    @property
    def active(self) -> StreamReader | None:
        """The member that gets messages."""
        return self.members[0] if self.members else None


class _Noted(Protocol):
    def __call__(self, group: str, offset: int | None, /) -> object: ...


@define(eq=False)
class StreamGroups:
    """The groups of one stream by name; `noted` is told of every change, None for a group gone."""

    noted: _Noted = lambda group, offset: None
    _groups: dict[str, StreamGroup] = field(factory=dict, init=False)

    def __iter__(self) -> Iterator[StreamGroup]:
        return iter(self._groups.values())

    def __len__(self) -> int:
        return len(self._groups)

    def get(self, name: str) -> StreamGroup | None:
        """Return a group, or None."""
        return self._groups.get(name)

    def query(self, name: str) -> int | None:
        """Return the stored offset of a group; None where there is no such group.

        It is that of the last message handled with all before it; -1 where the group began at the
        first message and has handled none.
        """
        group = self._groups.get(name)
        return None if group is None else group.offset

    def store(self, name: str, offset: int) -> StreamGroup:
        """Store a group's offset, also one below what is stored; a new group is made."""
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = StreamGroup(name, offset)
        elif group.offset == offset:
            return group
        group.offset = offset
        self.noted(name, offset)
        return group

    def restore(self, name: str, offset: int) -> None:
        """Take in a group that was kept."""
        self._groups[name] = StreamGroup(name, offset)

    def delete(self, name: str) -> bool:
        """Forget a group that has no consumers; say whether there was one, and it is forgotten."""
        group = self._groups.get(name)
        if group is None or group.members:
            return False
        del self._groups[name]
        self.noted(name, None)
        return True

    def forget(self) -> None:
        """Forget all groups, whose stream is deleted."""
        for name in list(self._groups):
            self.noted(name, None)
        self._groups.clear()
