"""Ready messages that partly left memory keep the order of those that did not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st

from leveret.properties import NO_PROPERTIES
from leveret.queues import Message, Queue, QueuedMessage
from leveret.queues.paged import PagedReady
from leveret.queues.ready import FifoReady, ReturnsFirstReady

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leveret.queues import PagedRun, QueuedRun

QUEUE: Queue = None  # type: ignore[assignment]
STEP = st.one_of(
    st.tuples(st.sampled_from(["push", "pop", "page", "remove"]), st.integers(0, 4)),
    st.tuples(st.just("put_back"), st.integers(0, 99)),
)


@define
class Run:
    """A run that stays in memory after all; the pager takes what it likes."""

    entries: list[QueuedMessage]
    forgotten: list[bool] = field(factory=list)

    @property
    def count(self) -> int:
        return len(self.entries)

    @property
    def body_bytes(self) -> int:
        return sum(entry.message.size for entry in self.entries)

    def read(self) -> list[QueuedMessage]:
        return self.entries

    def bring_back(self) -> list[QueuedMessage]:
        return self.entries

    def forget(self, *, settled: bool) -> None:
        self.forgotten.append(settled)


@define
class Pager:
    """Makes runs of three, and leaves the last `leaves` messages in memory."""

    leaves: int = 0
    runs: list[Run] = field(factory=list)

    def page_out(self, entries: Sequence[QueuedMessage | QueuedRun]) -> tuple[list[PagedRun], int]:
        single = [entry for entry in entries if isinstance(entry, QueuedMessage)]
        taken = max(len(single) - self.leaves, 0)
        runs = [Run(list(single[at : min(at + 3, taken)])) for at in range(0, taken, 3)]
        self.runs += runs
        return [*runs], taken


def entry(position: int) -> QueuedMessage:
    message = Message("", "q", NO_PROPERTIES, b"x" * (position % 5))
    return QueuedMessage(message, QUEUE, position)


@settings(print_blob=True)
@given(st.sampled_from([FifoReady, ReturnsFirstReady]), st.lists(STEP, max_size=60))
def test_any_history_gives_the_order_that_it_gives_in_memory(
    front: type[FifoReady | ReturnsFirstReady], steps: list[tuple[str, int]]
) -> None:
    paged, plain = PagedReady(front()), front()
    taken: list[QueuedMessage] = []
    for position, (step, number) in enumerate(steps):
        if step == "push":
            new = entry(position)
            paged.push(new)
            plain.push(new)
        elif step == "pop":
            head = paged.pop()
            assert head is plain.pop()
            if head is not None:
                taken.append(head)
        elif step == "page":
            paged.page_out(number, Pager(leaves=position % 3))
        elif step == "remove":
            chosen = {e.position for e in plain if not e.position % (number + 1)}
            removed = paged.remove(chosen)
            assert sorted(e.position for e in removed) == sorted(chosen)
            plain.remove(chosen)
        elif taken:
            back = taken.pop(number % len(taken))
            paged.put_back(back)
            plain.put_back(back)
        paged.check()
        assert list(paged) == list(plain)
        assert len(paged) == len(plain)
    assert paged.peek() is plain.peek()


@pytest.mark.parametrize("settled", [True, False])
def test_what_is_on_the_disk_is_let_go_run_by_run(settled: bool) -> None:
    paged, pager = PagedReady(FifoReady()), Pager()
    for position in range(10):
        paged.push(entry(position))
    paged.page_out(2, pager)
    assert paged.paged_count == 8
    assert [e.position for e in paged.in_memory()] == [0, 1]
    paged.forget_runs(settled=settled)
    assert [run.forgotten for run in pager.runs] == [[settled]] * 3
    paged.clear()
    assert len(paged) == 0
