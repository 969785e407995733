"""What can reach a queue or an exchange: the ways followed back, level by level.

A message passes an exchange once (S34), so no exchange stands twice on the way of one publish.
Dead letters are published anew. What leads to a queue is told once, where it is nearest.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from attrs import define, evolve, field

from leveret.config.explain_fates import deaths_in
from leveret.config.explain_parts import DeadLetters, Source
from leveret.config.explain_ways import Passage, Way, Ways
from leveret.routing import KeySet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leveret.config.model import DestinationType

__all__ = ["MAX_SOURCES", "Sources"]

#: Sources told of in one explanation, and steps from the last to the first.
MAX_SOURCES = 1_000
MAX_STEPS = 40


@define(eq=False)
class _Node:
    """A source in the making, or at the root what is explained."""

    kind: DestinationType
    name: str
    passage: Passage
    #: The exchanges that the message passes from here on.
    path: tuple[str, ...] = ()
    steps: int = 0
    #: The queue that messages so come to: examples are tried on it.
    queue: str | None = None
    value: Source | DeadLetters | None = None
    below: list[_Node] = field(factory=list)
    more: int = 0


@define(eq=False)
class Sources:
    """Follows the ways back from one queue or exchange."""

    ways: Ways
    kind: DestinationType
    name: str
    with_dead_letters: bool = True
    _root: _Node = field(init=False)
    # in the order in which they were made: whatever leads to one comes after it
    _nodes: list[_Node] = field(factory=list)
    # queues whose sources are told
    _told: set[str] = field(factory=set)

    def __attrs_post_init__(self) -> None:
        passage = Passage(KeySet.everything())
        queue = self.name if self.kind == "queue" else None
        path = (self.name,) if self.kind == "exchange" else ()
        self._root = _Node(self.kind, self.name, passage, path, queue=queue)

    def find(self) -> tuple[tuple[Source | DeadLetters, ...], int]:
        """Return the sources, the nearest first, and how many more there are."""
        self._follow()
        for node in reversed(self._nodes):
            assert node.value is not None
            node.value = evolve(node.value, sources=_values(node), more=node.more)
        return _values(self._root), self._root.more

    def passages(self) -> Iterator[tuple[str, Passage]]:
        """Yield exchanges, and what a message must be like to get from there to the end."""
        self._follow()
        for node in self._nodes:
            if node.kind == "exchange":
                yield node.name, node.passage

    def _follow(self) -> None:
        if self.kind == "queue":
            self._told.add(self.name)
        work = deque([self._root])
        while work:
            node = work.popleft()
            for found in self._before(node):
                if len(self._nodes) >= MAX_SOURCES:
                    node.more += 1
                    continue
                node.below.append(found)
                self._nodes.append(found)
                if found.steps < MAX_STEPS and not _is_closed(found):
                    work.append(found)

    def _before(self, node: _Node) -> Iterator[_Node]:
        if node.kind == "queue" and node.value is not None:
            if node.name in self._told:
                return
            self._told.add(node.name)
        found = 0
        for way in self.ways.into(node.kind, node.name):
            if way.source not in node.path:
                found += 1
                yield self._source(node, way)
        for dead in self._dead_letters(node) if self.with_dead_letters else ():
            found += 1
            yield dead
        if node.kind == "queue" and (node.value is None or not found):
            yield self._source(node, self.ways.by_name(node.name))

    def _source(self, node: _Node, way: Way) -> _Node:
        passage = self.ways.along(node.passage, way)
        closed = passage.is_closed()
        exchange = self.ways.view.exchanges[way.source]
        example = None
        if node.queue is not None and not closed:
            example = self.ways.example(way.source, passage, node.queue)
        value = Source(
            exchange=way.source,
            type=exchange.type,
            internal=exchange.internal,
            bindings=way.bindings,
            labels=self.ways.labels(way.bindings),
            as_alternate=way.as_alternate,
            chance=way.chance,
            keys=passage.keys,
            narrowed=not way.as_alternate and passage.keys != way.keys,
            closed=closed,
            example=example,
            sources=(),
        )
        path = (*node.path, way.source)
        return _Node("exchange", way.source, passage, path, node.steps + 1, node.queue, value)

    def _dead_letters(self, node: _Node) -> Iterator[_Node]:
        """Yield the queues whose dead letters are published where a node is."""
        view = self.ways.view
        exchange = node.name if node.kind == "exchange" else ""
        wanted = node.passage.keys if exchange else KeySet.of([node.name])
        for (name, key), queues in view.dead_letter_targets.items():
            if name != exchange or (key is not None and key not in wanted):
                continue
            for queue in queues:
                if key is None and self.ways.meet(wanted, self.ways.incoming(queue)).is_empty():
                    continue
                again = self.kind == "queue" and queue == self.name
                value = DeadLetters(queue, name, key, deaths_in(view.settings[queue]), again, ())
                start = Passage(KeySet.everything())
                yield _Node("queue", queue, start, (), node.steps + 1, queue, value)


def _values(node: _Node) -> tuple[Source | DeadLetters, ...]:
    return tuple(child.value for child in node.below if child.value is not None)


def _is_closed(node: _Node) -> bool:
    return isinstance(node.value, Source) and (node.value.closed or not node.value.exchange)
