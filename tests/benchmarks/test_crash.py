"""The crash test: a few kills under load, and the judge finds each kind of lie."""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING

import pytest
from benchmarks.crash.books import Books
from benchmarks.crash.judge import judge
from benchmarks.crash.run import Run
from benchmarks.soak.message import body_of

import leveret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FIRST, SECOND = ("orders.0.0", 0), ("orders.0.0", 1)
PAIR = (("batch1.0.0", 0), ("batch2.0.0", 0))
QUEUES = ("orders", "audit", "rejected", "batch1", "batch2", "fleeting")


@pytest.fixture
def _quiet() -> Iterator[None]:
    """Have the client library not tell of each connection that is lost."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.usefixtures("_quiet")
def test_a_server_that_is_killed_under_load_keeps_what_it_promised(tmp_path: Path) -> None:
    seed = 3
    run = Run(tmp_path, random.Random(seed), 0.8, print)
    run.go(4)
    assert run.books.faults == {}, f"replay it: python -m benchmarks.crash --kills 4 --seed {seed}"
    assert run.books.counts["confirmed"]


def _confirmed(books: Books) -> None:
    for message in (FIRST, SECOND):
        books.confirm(books.send(message))


def _sent(books: Books) -> None:
    for message in (FIRST, SECOND):
        books.send(message)


def _acknowledged(books: Books) -> None:
    _confirmed(books)
    for queue in ("orders", "audit"):
        books.leaving(queue, FIRST)


def _gone(books: Books) -> None:
    _acknowledged(books)
    books.left("orders", FIRST)


def _delivered(books: Books) -> None:
    _confirmed(books)
    books.known["orders"].add(FIRST)


def _undone(books: Books) -> None:
    books.undo(books.send(FIRST))


def _pair(books: Books) -> None:
    books.send(*PAIR)


def _declared(books: Books) -> None:
    books.objects["queue", "missing"] = True


def _deleted(books: Books) -> None:
    books.objects["queue", "orders"] = False


BOTH = {"orders": [FIRST, SECOND], "audit": [FIRST, SECOND]}


@pytest.mark.parametrize(
    ("known", "kept", "fault"),
    [
        (_confirmed, BOTH, None),
        (_sent, {}, None),
        (_acknowledged, BOTH, None),
        (_acknowledged, {"orders": [SECOND], "audit": [SECOND]}, None),
        (_confirmed, BOTH | {"orders": [SECOND], "rejected": [FIRST]}, None),
        (_confirmed, BOTH | {"orders": [SECOND]}, "lost though confirmed"),
        (_sent, BOTH | {"orders": [SECOND]}, "there by halves"),
        (_pair, {"batch1": [PAIR[0]]}, "there by halves"),
        (_confirmed, BOTH | {"rejected": [FIRST]}, "in two queues at once"),
        (_confirmed, BOTH | {"orders": [SECOND, FIRST]}, "out of order"),
        (_confirmed, BOTH | {"orders": [FIRST, FIRST, SECOND]}, "twice in a queue"),
        (_gone, BOTH, "back though its acknowledgement was certain"),
        (_delivered, BOTH, "delivered before, and not marked as redelivered"),
        (_undone, {"orders": [FIRST]}, "there though rolled back"),
        (_confirmed, BOTH | {"batch1": [PAIR[0]]}, "made up"),
        (_confirmed, BOTH | {"fleeting": [PAIR[0]]}, "transient messages survived"),
        (_declared, {}, "topology is not what was answered"),
        (_deleted, {}, "topology is not what was answered"),
    ],
)
def test_the_judge_names_what_does_not_hold(
    tmp_path: Path,
    known: Callable[[Books], None],
    kept: dict[str, list[tuple[str, int]]],
    fault: str | None,
) -> None:
    broker = leveret.Broker(data=tmp_path / "data")
    for queue in QUEUES:
        broker.queue_declare(queue)
        for message in kept.get(queue, ()):
            properties = leveret.Properties(delivery_mode=2)
            broker.basic_publish("", queue, body_of(*message, 10), properties)
    broker.close()
    books = Books()
    known(books)
    judge(books, tmp_path / "data", tmp_path / "copy")
    found = set(books.faults)
    if fault is None:
        assert not found
    else:
        assert fault in found


def test_what_a_crash_undid_may_not_come_back_after_another(tmp_path: Path) -> None:
    books = Books()
    _sent(books)
    leveret.Broker(data=tmp_path / "data").close()
    judge(books, tmp_path / "data", tmp_path / "copy")
    books.receive("orders", body_of(*FIRST, 10), redelivered=False)
    assert list(books.faults) == ["back though its acknowledgement was certain"]
