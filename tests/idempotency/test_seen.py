"""Stores of what was handled, as workers ask them."""

from __future__ import annotations

import sqlite3
import threading
from typing import TYPE_CHECKING

import pytest
from attrs import field, frozen

from leveret import ManualClock
from leveret.idempotency import Idempotency, MemorySeen, NoIdentityError, Seen, SQLiteSeen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from leveret.properties import FieldValue


@frozen
class Delivered:
    """What a store is asked about."""

    message_id: str | None = None
    headers: dict[str, FieldValue] = field(factory=dict)
    queue: str = "billing"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=["memory", "file"])
def seen(
    request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock
) -> Iterator[MemorySeen | SQLiteSeen]:
    if request.param == "memory":
        yield MemorySeen(ttl="1m", clock=clock)
    else:
        with SQLiteSeen(tmp_path / "seen.db", ttl="1m", clock=clock) as store:
            yield store


def test_what_was_handled_is_known_to_its_scope_for_its_time(
    seen: MemorySeen | SQLiteSeen, clock: ManualClock
) -> None:
    assert seen.begin("q", "a") == "new"
    assert seen.begin("q", "a") == "busy"
    assert seen.begin("r", "a") == "new"
    seen.succeeded("q", "a")
    seen.failed("r", "a")
    assert seen.begin("q", "a") == "handled"
    assert seen.begin("r", "a") == "new"
    clock.advance(seconds=59)
    assert seen.begin("q", "a") == "handled"
    clock.advance(seconds=1)
    assert seen.begin("q", "a") == "new"


def test_what_is_over_takes_no_place(seen: MemorySeen | SQLiteSeen, clock: ManualClock) -> None:
    for number in range(100):
        assert seen.begin("q", str(number)) == "new"
        seen.succeeded("q", str(number))
    assert len(seen) == 100
    clock.advance(seconds=60)
    assert seen.begin("q", "new") == "new"
    seen.succeeded("q", "new")
    assert len(seen) == 1


def test_of_many_threads_one_handles_a_message(seen: MemorySeen | SQLiteSeen) -> None:
    handled: list[str] = []
    starting = threading.Barrier(8)

    def work() -> None:
        starting.wait(timeout=30)
        for number in range(50):
            if seen.begin("q", str(number)) == "new":
                handled.append(str(number))
                seen.succeeded("q", str(number))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(handled, key=int) == [str(number) for number in range(50)]


def test_a_file_remembers_what_a_process_before_had_handled(tmp_path: Path) -> None:
    with SQLiteSeen(tmp_path / "seen.db") as store:
        for key in "ab":
            assert store.begin("q", key) == "new"
        store.succeeded("q", "a")
    with SQLiteSeen(tmp_path / "seen.db") as store:
        assert store.begin("q", "a") == "handled"
        assert store.begin("q", "b") == "new", "what was at work is not handled"


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "seen.db").write_text("no database, but long enough to be looked at")
    with pytest.raises(sqlite3.Error):
        SQLiteSeen(tmp_path / "seen.db")


@pytest.mark.parametrize(
    ("key", "delivery", "expected"),
    [
        (None, Delivered("7"), "7"),
        (lambda delivery: delivery.headers["order"], Delivered(headers={"order": 7}), "7"),
    ],
)
def test_a_message_is_told_by_its_id_or_as_one_says(
    key: Callable[..., str], delivery: Delivered, expected: str
) -> None:
    assert Idempotency(MemorySeen(), key).identity(delivery) == expected


def test_a_message_without_identity_is_an_error_or_handled_as_one_says() -> None:
    store: Seen = MemorySeen()
    given = Idempotency.of(store)
    assert given is not None
    with pytest.raises(NoIdentityError, match="a message of queue 'billing' has no message_id"):
        given.identity(Delivered())
    assert Idempotency(store, missing="handle").identity(Delivered()) is None
    assert Idempotency.of(None) is None
    assert Idempotency.of(given) is given
