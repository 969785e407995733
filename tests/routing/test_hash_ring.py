"""The consistent-hash ring: shares near the weights, and few keys that ever move."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from leveret.routing import HashRing

KEYS = [f"order.{number}" for number in range(20_000)]


def ring_of(**weights: int) -> HashRing:
    ring = HashRing()
    for node, weight in weights.items():
        ring.add(node, weight)
    return ring


def test_an_empty_ring_has_no_node_for_any_key() -> None:
    assert HashRing().node_for("order.1") is None


def test_a_lone_node_gets_every_key_text_or_bytes() -> None:
    ring = ring_of(a=1)
    assert {ring.node_for(key) for key in ("", "x", b"", b"\xff", "\udcff")} == {"a"}


def test_text_and_its_bytes_are_one_key() -> None:
    ring = ring_of(a=1, b=1, c=1)
    for key in KEYS[:200]:
        assert ring.node_for(key) == ring.node_for(key.encode())


def test_the_places_of_keys_are_the_same_in_every_process() -> None:
    ring = ring_of(a=1, b=2, c=3)
    assert [ring.node_for(key) for key in KEYS[:10]] == list("cabbbbacbb")


def test_shares_are_near_the_weights() -> None:
    weights = {"a": 1, "b": 2, "c": 3, "d": 4}
    shares = Counter(map(ring_of(**weights).node_for, KEYS))
    for node, weight in weights.items():
        assert shares[node] / len(KEYS) == pytest.approx(weight / 10, rel=0.25)


def test_a_node_that_joins_takes_keys_and_nothing_else_moves() -> None:
    ring = ring_of(a=1, b=1, c=1)
    before = {key: ring.node_for(key) for key in KEYS}
    ring.add("d", 1)
    moved = [key for key in KEYS if ring.node_for(key) != before[key]]
    assert {ring.node_for(key) for key in moved} == {"d"}
    assert len(moved) / len(KEYS) == pytest.approx(1 / 4, rel=0.3)


def test_a_node_that_leaves_gives_its_keys_away_and_nothing_else_moves() -> None:
    ring = ring_of(a=1, b=2, c=1)
    before = {key: ring.node_for(key) for key in KEYS}
    ring.remove("b")
    for key in KEYS:
        if before[key] != "b":
            assert ring.node_for(key) == before[key]
        else:
            assert ring.node_for(key) in ("a", "c")


def test_the_order_of_joining_does_not_count() -> None:
    one, other = ring_of(a=1, b=2, c=3), ring_of(c=3, b=2, a=1)
    assert [one.node_for(key) for key in KEYS[:500]] == [other.node_for(key) for key in KEYS[:500]]


def test_what_cannot_be_added_or_removed_is_refused() -> None:
    ring = ring_of(a=1)
    for weight in (0, -1):
        with pytest.raises(ValueError, match="must be at least 1"):
            ring.add("b", weight)
    with pytest.raises(ValueError, match="on the ring already"):
        ring.add("a", 2)
    with pytest.raises(KeyError):
        ring.remove("b")
    ring.check()
    assert ("a" in ring, "b" in ring, len(ring), ring.weight("a")) == (True, False, 1, 1)


class RingAgainstWeights(RuleBasedStateMachine):
    """Nodes come and go; a key moves only to a node that came or from one that went."""

    def __init__(self) -> None:
        super().__init__()
        self.ring = HashRing(points_per_weight=3)
        self.nodes: set[str] = set()

    @rule(node=st.sampled_from("abcdef"), weight=st.integers(1, 4))
    def come_or_go(self, node: str, weight: int) -> None:
        before = {key: self.ring.node_for(key) for key in KEYS[:20]}
        if node in self.nodes:
            self.ring.remove(node)
            self.nodes.remove(node)
        else:
            self.ring.add(node, weight)
            self.nodes.add(node)
        for key, owner in before.items():
            now = self.ring.node_for(key)
            assert now == owner or node in (now, owner)
            assert now in self.nodes or (now is None and not self.nodes)

    @invariant()
    def is_sound(self) -> None:
        self.ring.check()
        assert len(self.ring) == len(self.nodes)


TestRingAgainstWeights = RingAgainstWeights.TestCase
TestRingAgainstWeights.settings = settings(max_examples=20, deadline=None)


@settings(deadline=None)
@given(st.text(max_size=20))
def test_every_key_has_one_node(key: str) -> None:
    ring = HashRing(points_per_weight=2)
    ring.add("a")
    ring.add("b")
    assert ring.node_for(key) == ring.node_for(key) in ("a", "b")
