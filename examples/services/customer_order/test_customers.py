"""Changes of customers: in order for each, at the same time for several, whoever works on them."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import pytest
from customers import TOPOLOGY, Customers, part, tell, work

import leveret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Until = Callable[[Callable[[], object]], None]

TIMEOUT_S = 30
FIRST = 1


@pytest.fixture
def broker(clock: leveret.ManualClock) -> Iterator[leveret.Service]:
    """Give an open broker."""
    with leveret.open(TOPOLOGY, clock=clock) as broker:
        yield broker


@pytest.fixture
def other(broker: leveret.Service) -> int:
    """Give a customer whose changes wait in another queue than those of the first."""
    return next(
        customer for customer in range(2, 99) if part(broker, customer) != part(broker, FIRST)
    )


def changes(customers: range, versions: range) -> list[tuple[int, int, dict[str, Any]]]:
    """Return changes of several customers, mixed, in order for each."""
    return [(customer, version, {"n": version}) for version in versions for customer in customers]


def applied(customers: Any, count: int) -> list[tuple[int, int]]:
    """Wait for as many changes to be applied; return customer and version of each."""
    return [customers.applied.get(timeout=TIMEOUT_S) for _ in range(count)]


class Meeting:
    """Customers whose changes are applied two at a time, or not at all."""

    def __init__(self) -> None:
        self.applied: SimpleQueue[int] = SimpleQueue()
        self._barrier = threading.Barrier(2)

    def apply(self, customer: int, version: int, change: dict[str, Any]) -> None:
        """Wait for another one that is applied at the same time."""
        self._barrier.wait(TIMEOUT_S)
        self.applied.put(customer)


class Failing(Customers):  # type: ignore[misc] # what it is found beside has no types here
    """Customers, one of whom has a change that fails as long as it is told to."""

    def __init__(self, customer: int) -> None:
        super().__init__()
        self.failing: int | None = customer

    def apply(self, customer: int, version: int, change: dict[str, Any]) -> None:
        """Apply a change, or fail."""
        if customer == self.failing:
            raise ConnectionError("no database")
        super().apply(customer, version, change)


def test_each_customer_s_changes_are_applied_in_order(broker: leveret.Service) -> None:
    customers = Customers()
    tell(broker, changes(range(20), range(1, 11)))
    work(broker, customers)
    seen = applied(customers, 200)
    for customer in range(20):
        assert [version for who, version in seen if who == customer] == list(range(1, 11))
    assert broker.statistics().queues["changes.dlq"].ready == 0


def test_customers_are_handled_at_the_same_time(broker: leveret.Service, other: int) -> None:
    meeting = Meeting()
    tell(broker, [(FIRST, 1, {}), (other, 1, {})])
    work(broker, meeting)
    assert {meeting.applied.get(timeout=TIMEOUT_S) for _ in range(2)} == {FIRST, other}


def test_order_holds_while_workers_come_and_go(broker: leveret.Service) -> None:
    customers = Customers()
    tell(broker, changes(range(8), range(1, 21)))
    seen: list[tuple[int, int]] = []
    for _ in range(3):
        with work(broker, customers):
            seen += applied(customers, 20)
    work(broker, customers)
    work(broker, customers)
    seen += applied(customers, 160 - len(seen))
    for customer in range(8):
        assert [version for who, version in seen if who == customer] == list(range(1, 21))


def test_a_change_that_fails_holds_up_its_customer_and_no_other_part(
    broker: leveret.Service, clock: leveret.ManualClock, other: int, until: Until
) -> None:
    customers = Failing(FIRST)
    tell(broker, [(FIRST, 1, {}), (FIRST, 2, {}), (other, 1, {}), (other, 2, {})])
    worker = work(broker, customers)
    assert applied(customers, 2) == [(other, 1), (other, 2)]
    until(lambda: worker.statistics().retried == 1)
    customers.failing = None
    clock.advance(seconds=1)
    assert applied(customers, 2) == [(FIRST, 1), (FIRST, 2)]


def test_a_change_that_comes_twice_changes_nothing(broker: leveret.Service) -> None:
    customers = Customers()
    tell(broker, [(FIRST, 1, {"city": "Lyon"}), (FIRST, 2, {"city": "Turin"})])
    tell(broker, [(FIRST, 1, {"city": "Lyon"})])
    work(broker, customers)
    applied(customers, 3)
    assert customers.profile(FIRST) == {"city": "Turin"}
