"""A consistent-hash ring: which node a key belongs to, moving few keys when nodes come and go.

Each node stands at many pseudo-random points of a circle of 2**64 places; a key belongs to the
node whose point comes next after the key's own place. A node that is added takes keys from its
new neighbours only, so every key that moves, moves to it (Karger et al., 1997).
"""

from __future__ import annotations

import hashlib
from typing import Final

from attrs import define, field
from sortedcontainers import SortedList

__all__ = ["POINTS_PER_WEIGHT", "HashRing"]

#: Points a node gets per unit of weight. The share of a node strays from its due by about
#: 1/sqrt(points): a tenth here, for 20 kB of memory.
POINTS_PER_WEIGHT: Final = 100


@define
class HashRing:
    """Nodes by name, each with a weight; equal contents give equal answers in every process.

    With n points in all, `node_for` costs O(log n), `add` and `remove` O(p log n) for p points
    of the node.
    """

    points_per_weight: int = POINTS_PER_WEIGHT
    _weights: dict[str, int] = field(factory=dict, init=False)  # node -> weight
    # (place on the circle, node); the name decides between points at one place.
    _points: SortedList[tuple[int, str]] = field(factory=SortedList, init=False)

    def add(self, node: str, weight: int = 1) -> None:
        """Put a node on the ring.

        Raises:
            ValueError: the weight is less than 1, or the node is on the ring already.

        """
        if weight < 1:
            raise ValueError(f"the weight of {node!r} must be at least 1, got {weight}")
        if node in self._weights:
            raise ValueError(f"{node!r} is on the ring already; remove it to change its weight")
        self._weights[node] = weight
        self._points.update(self._points_of(node, weight))

    def remove(self, node: str) -> None:
        """Take a node off the ring; its keys go to its neighbours.

        Raises:
            KeyError: the node is not on the ring.

        """
        for point in self._points_of(node, self._weights.pop(node)):
            self._points.remove(point)

    def node_for(self, key: str | bytes) -> str | None:
        """Return the node that a key belongs to, `None` on an empty ring."""
        points = self._points
        if not points:
            return None
        # A node's name is never less than "", so a point at the key's own place counts as next.
        index = points.bisect_left((_place(key), ""))
        return points[index if index < len(points) else 0][1]

    def weight(self, node: str) -> int:
        """Return the weight of a node.

        Raises:
            KeyError: the node is not on the ring.

        """
        return self._weights[node]

    def __contains__(self, node: object) -> bool:
        return node in self._weights

    def __len__(self) -> int:
        """Return the number of nodes."""
        return len(self._weights)

    def check(self) -> None:
        """Assert that the ring holds exactly the points of its nodes, in order."""
        expected = [
            point
            for node, weight in self._weights.items()
            for point in self._points_of(node, weight)
        ]
        assert list(self._points) == sorted(expected)
        assert all(weight >= 1 for weight in self._weights.values())

    def _points_of(self, node: str, weight: int) -> list[tuple[int, str]]:
        name = node.encode("utf-8", "surrogateescape")
        return [
            (_place(b"%d %s" % (number, name)), node)
            for number in range(weight * self.points_per_weight)
        ]


def _place(key: str | bytes) -> int:
    # Python's own hash() of a string differs from process to process; this one never does.
    if isinstance(key, str):
        key = key.encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big")
