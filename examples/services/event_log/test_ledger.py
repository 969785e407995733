"""The event log: read again, read up to a place, read on from where somebody stopped."""

from __future__ import annotations

from queue import SimpleQueue
from typing import TYPE_CHECKING

import pytest
from ledger import TOPOLOGY, LiveBalances, balances, behind, history, move, notify

import leveret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Until = Callable[[Callable[[], object]], None]

MOVEMENTS = (("ann", 250_000), ("bob", 3_000), ("ann", -120_000), ("bob", 500))
TIMEOUT_S = 30


@pytest.fixture
def broker() -> Iterator[leveret.Service]:
    """Give a broker with a log of four movements."""
    with leveret.open(TOPOLOGY) as broker:
        for account, cents in MOVEMENTS:
            move(broker, account, cents)
        yield broker


def test_the_log_can_be_read_as_often_as_anybody_wants(broker: leveret.Service) -> None:
    for _ in range(3):
        read = [(movement["account"], movement["cents"]) for movement in history(broker)]
        assert read == list(MOVEMENTS)


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (0, {}),
        (1, {"ann": 250_000}),
        (3, {"ann": 130_000, "bob": 3_000}),
        (None, {"ann": 130_000, "bob": 3_500}),
        (99, {"ann": 130_000, "bob": 3_500}),
    ],
)
def test_a_balance_is_what_the_log_says_up_to_a_place(
    broker: leveret.Service, end: int | None, expected: dict[str, int]
) -> None:
    assert balances(broker, end) == expected


def test_an_empty_log_has_no_balances() -> None:
    with leveret.open(TOPOLOGY) as broker:
        assert balances(broker) == {}


def test_live_balances_begin_with_all_that_was_and_go_on(
    broker: leveret.Service, until: Until
) -> None:
    live = LiveBalances(broker)
    until(lambda: live.next == len(MOVEMENTS))
    assert live.cents == balances(broker)
    move(broker, "bob", 1)
    until(lambda: live.next == len(MOVEMENTS) + 1)
    assert live.cents["bob"] == 3_501


def test_a_notice_is_sent_of_each_large_movement(broker: leveret.Service) -> None:
    notices: SimpleQueue[str] = SimpleQueue()
    notify(broker, notices.put)
    assert notices.get(timeout=TIMEOUT_S) == "ann: +2500.00"
    assert notices.get(timeout=TIMEOUT_S) == "ann: -1200.00"


def test_who_sends_notices_goes_on_where_the_one_before_stopped(
    tmp_path: Path, until: Until
) -> None:
    notices: list[str] = []
    with leveret.open(TOPOLOGY, data=tmp_path) as broker:
        move(broker, "ann", 250_000)
        with notify(broker, notices.append):
            until(lambda: behind(broker) == 0)
        move(broker, "bob", 300_000)
        assert behind(broker) == 1
    with leveret.open(TOPOLOGY, data=tmp_path) as broker:
        assert behind(broker) == 1
        with notify(broker, notices.append):
            until(lambda: behind(broker) == 0)
    assert notices == ["ann: +2500.00", "bob: +3000.00"]


def test_two_who_send_notices_send_each_once(broker: leveret.Service, until: Until) -> None:
    notices: list[str] = []
    notify(broker, notices.append)
    second = notify(broker, notices.append)
    until(lambda: behind(broker) == 0)
    assert notices == ["ann: +2500.00", "ann: -1200.00"]
    assert second.statistics().handled == 0
