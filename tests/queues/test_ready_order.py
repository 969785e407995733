"""Ready messages come out in the order that a list, sorted anew each time, would give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

import pytest
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st

from leveret.properties import Properties
from leveret.queues import Message, QueuedMessage
from leveret.queues.ready import FifoReady, PriorityReady, Ready, ReturnsFirstReady

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leveret.queues import Queue

#: A push has a priority; what comes back and what is looked at is chosen by number.
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("push"), st.none() | st.integers(0, 255)),
        st.tuples(st.just("pop"), st.just(0)),
        st.tuples(st.just("put_back"), st.integers(0, 20)),
        st.tuples(st.just("peek"), st.just(0)),
        st.tuples(st.just("remove"), st.integers(1, 4)),
        st.tuples(st.sampled_from(["clear"]), st.just(0)),
    ),
    max_size=60,
)

OF_NO_QUEUE = cast("Queue", None)


def entry(position: int, priority: int | None = None) -> QueuedMessage:
    message = Message("", "q", Properties(priority=priority), b"")
    return QueuedMessage(message, OF_NO_QUEUE, position)


def take(ready: Ready) -> QueuedMessage:
    head = ready.pop()
    assert head is not None
    return head


class Model(Protocol):
    """What orders entries: the smaller key first, `returned` telling when one came back."""

    def key(self, entry: QueuedMessage, returned: int | None) -> tuple[int, ...]: ...


class Fifo:
    """By position, whether it came back or not (S80)."""

    def key(self, entry: QueuedMessage, returned: int | None) -> tuple[int, ...]:
        return (entry.position,)


@define
class Priority:
    """Highest priority first, capped, none being 0; then by position (S97)."""

    cap: int

    def key(self, entry: QueuedMessage, returned: int | None) -> tuple[int, ...]:
        return (-min(self.cap, entry.message.properties.priority or 0), entry.position)


class ReturnsFirst:
    """What came back goes first, in the order of coming back."""

    def key(self, entry: QueuedMessage, returned: int | None) -> tuple[int, ...]:
        return (1, entry.position) if returned is None else (0, returned)


@define
class NaiveReady:
    """A list that is sorted whenever somebody looks."""

    model: Model
    entries: list[tuple[QueuedMessage, int | None]] = field(factory=list)
    returns: int = 0

    def add(self, entry: QueuedMessage, *, back: bool) -> None:
        self.returns += back
        self.entries.append((entry, self.returns if back else None))

    def order(self) -> list[QueuedMessage]:
        self.entries.sort(key=lambda pair: self.model.key(*pair))
        return [entry for entry, _ in self.entries]

    def take(self) -> QueuedMessage | None:
        order = self.order()
        return self.entries.pop(0)[0] if order else None


def kinds() -> Iterator[tuple[str, Ready, Model]]:
    yield "by position", FifoReady(), Fifo()
    for cap in (0, 3, 255):
        yield f"by priority up to {cap}", PriorityReady(cap), Priority(cap)
    yield "returned first", ReturnsFirstReady(), ReturnsFirst()


@settings(print_blob=True)
@given(st.sampled_from([name for name, _, _ in kinds()]), STEPS)
def test_any_history_gives_the_order_of_a_sorted_list(
    kind: str, steps: list[tuple[str, int | None]]
) -> None:
    """S80, S97: requeued messages stand where they stood; FIFO within a priority."""
    ready, model = next((r, m) for name, r, m in kinds() if name == kind)
    naive = NaiveReady(model)
    taken: list[QueuedMessage] = []
    for position, (step, number) in enumerate(steps):
        if step == "push":
            new = entry(position, number)
            ready.push(new)
            naive.add(new, back=False)
        elif step == "pop":
            head = ready.pop()
            assert head is naive.take()
            if head is not None:
                taken.append(head)
        elif step == "put_back" and taken:
            back = taken.pop((number or 0) % len(taken))
            ready.put_back(back)
            naive.add(back, back=True)
        elif step == "remove":  # every second, every third…
            chosen = {e.position for e in naive.order() if not e.position % (number or 1)}
            removed = ready.remove(chosen)
            assert {e.position for e in removed} == chosen
            assert len(removed) == len(chosen)
            naive.entries = [pair for pair in naive.entries if pair[0].position not in chosen]
        elif step == "clear":
            ready.clear()
            naive.entries.clear()
        ready.check()
        order = naive.order()
        assert list(ready) == order
        assert len(ready) == len(order)
        assert ready.peek() is (order[0] if order else None)


@pytest.mark.parametrize("ready", [r for _, r, _ in kinds()], ids=[n for n, _, _ in kinds()])
def test_an_empty_one_has_no_head(ready: Ready) -> None:
    assert ready.peek() is None
    assert ready.pop() is None
    assert len(ready) == 0
    assert list(ready) == []
    ready.check()


def test_s97_the_highest_priority_leaves_first_and_none_counts_as_zero() -> None:
    ready = PriorityReady(3)
    for position, priority in enumerate([1, 3, 2, 3, None, 9]):
        ready.push(entry(position, priority))
    assert [e.position for e in ready] == [1, 3, 5, 2, 0, 4]


def test_s80_what_comes_back_stands_at_its_old_place() -> None:
    ready = FifoReady()
    for position in range(5):
        ready.push(entry(position))
    first, second, third = (take(ready) for _ in range(3))
    ready.put_back(third)
    ready.put_back(first)
    assert [e.position for e in ready] == [0, 2, 3, 4]
    ready.put_back(second)
    assert [e.position for e in ready] == [0, 1, 2, 3, 4]


def test_a_returned_message_of_a_quorum_queue_goes_before_all_that_were_never_delivered() -> None:
    ready = ReturnsFirstReady()
    for position in range(5):
        ready.push(entry(position))
    first, second, third = (take(ready) for _ in range(3))
    for back in (second, first, third):
        ready.put_back(back)
    assert [e.position for e in ready] == [1, 0, 2, 3, 4]


def test_check_finds_a_message_out_of_place() -> None:
    ready = FifoReady()
    ready.push(entry(1))
    ready.push(entry(0))
    with pytest.raises(AssertionError, match="growing"):
        ready.check()
