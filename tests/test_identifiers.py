"""The memory of identifiers against a list that is gone through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from leveret import Properties
from leveret.deduplication import DeduplicationSettings, Identifiers

if TYPE_CHECKING:
    from collections.abc import Mapping

STEPS = st.lists(
    st.tuples(
        st.sampled_from("abcdef"),
        st.integers(0, 20),
        st.none() | st.integers(0, 30),
        st.sampled_from(("add", "add", "add", "restart")),
    ),
    max_size=60,
)


@given(st.integers(1, 4), st.none() | st.integers(0, 30), STEPS)
def test_it_remembers_what_a_list_does_and_after_a_restart_too(
    size: int, ttl_ms: int | None, steps: list[tuple[str, int, int | None, str]]
) -> None:
    settings = DeduplicationSettings(cache_size=size, cache_ttl_ms=ttl_ms)
    # slot -> what a journal has
    slots: dict[int, Mapping[str, Any]] = {}

    def note(slot: int, value: Mapping[str, Any] | None) -> None:
        assert value is not None
        slots[slot] = value

    def begun() -> Identifiers:
        identifiers = Identifiers(settings)
        identifiers.note = note
        for slot, value in sorted(slots.items(), reverse=True):
            identifiers.restore(slot, value)
        return identifiers

    identifiers, now_ms = begun(), 0
    # (identifier, when it is forgotten), the oldest first
    expected: list[tuple[str, float]] = []
    for identifier, wait_ms, own_ttl_ms, step in steps:
        now_ms += wait_ms
        if step == "restart":
            identifiers = begun()
        expected = [one for one in expected if one[1] > now_ms]
        known = {name for name, _ in expected}
        assert {name for name in "abcdef" if identifiers.has(name, now_ms)} == known
        if step == "add" and identifier not in known:
            headers: dict[str, Any] = {}
            if own_ttl_ms is not None:
                headers["x-cache-ttl"] = own_ttl_ms
            identifiers.add(identifier, Properties(headers=headers), now_ms, durable=True)
            lasts_ms = ttl_ms if own_ttl_ms is None else own_ttl_ms
            expected = expected[-size + 1 :] if size > 1 else []
            expected.append((identifier, float("inf") if lasts_ms is None else now_ms + lasts_ms))
        identifiers.check()
    assert len(slots) <= size
    identifiers.note = lambda slot, value: slots.pop(slot, None)
    identifiers.drop()
    assert not slots
