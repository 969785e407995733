"""The order pipeline: what goes well, what is tried again, what is put aside and sent back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pipeline import TOPOLOGY, CardDeclined, Pipeline

import leveret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Until = Callable[[Callable[[], object]], None]


class Outside:
    """Bank and warehouse, which may be down, or refuse."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.charged: list[int] = []
        self.packed: list[int] = []

    def charge(self, order: dict[str, Any]) -> None:
        """Take the money for an order."""
        if self.error is not None:
            raise self.error
        self.charged.append(order["number"])

    def pack(self, order: dict[str, Any]) -> None:
        """Pack an order."""
        self.packed.append(order["number"])


@pytest.fixture
def broker(clock: leveret.ManualClock) -> Iterator[leveret.Service]:
    """Give an open broker."""
    with leveret.open(TOPOLOGY, clock=clock) as broker:
        yield broker


@pytest.fixture
def outside() -> Outside:
    """Give bank and warehouse."""
    return Outside()


@pytest.fixture
def pipeline(broker: leveret.Service, outside: Outside) -> Any:
    """Give a pipeline at work."""
    return Pipeline(broker, outside.charge, outside.pack)


def waiting(broker: leveret.Service) -> int:
    """Return how many orders wait to be tried again."""
    return broker.statistics().virtual_host.delayed


def ready(broker: leveret.Service, queue: str) -> int:
    """Return how many messages wait in a queue."""
    return broker.statistics().queues[queue].ready


def fail_for_good(broker: leveret.Service, clock: leveret.ManualClock, until: Until) -> None:
    """Let an order be tried as often as the file says, which takes no time."""
    for seconds in (0.2, 2, 10):
        until(lambda: waiting(broker))
        clock.advance(seconds)
    until(lambda: ready(broker, "billing.dlq"))


def test_an_order_goes_all_the_way(
    broker: leveret.Service, pipeline: Any, outside: Outside, until: Until
) -> None:
    for number in range(5):
        pipeline.place(number, "tent", 19_900)
    until(lambda: ready(broker, "shipments") == 5)
    assert sorted(outside.charged) == sorted(outside.packed) == [0, 1, 2, 3, 4]


def test_while_the_bank_is_down_an_order_waits_longer_each_time(
    broker: leveret.Service,
    clock: leveret.ManualClock,
    pipeline: Any,
    outside: Outside,
    until: Until,
) -> None:
    outside.error = ConnectionError("no answer")
    pipeline.place(17, "tent", 19_900)
    until(lambda: waiting(broker))
    clock.advance(seconds=0.2)
    until(lambda: waiting(broker))
    outside.error = None
    clock.advance(seconds=1.999)
    assert waiting(broker) == 1
    clock.advance(ms=1)
    until(lambda: ready(broker, "shipments"))
    assert outside.charged == [17]


def test_a_card_that_is_declined_is_no_error(
    broker: leveret.Service, pipeline: Any, outside: Outside, until: Until
) -> None:
    outside.error = CardDeclined("over the limit")
    pipeline.place(17, "tent", 19_900)
    until(lambda: ready(broker, "declined"))
    declined = broker.get("declined")
    assert declined is not None
    assert declined.json()["reason"] == "over the limit"
    assert waiting(broker) == 0


def test_what_fails_for_good_is_put_aside_with_the_reason_and_can_be_sent_back(
    broker: leveret.Service,
    clock: leveret.ManualClock,
    pipeline: Any,
    outside: Outside,
    until: Until,
) -> None:
    outside.error = ConnectionError("no answer")
    pipeline.place(17, "tent", 19_900)
    fail_for_good(broker, clock, until)
    assert list(pipeline.put_aside("billing")) == [(17, "ConnectionError: no answer")]
    assert pipeline.redrive("billing", error="TimeoutError").redriven == 0
    outside.error = None
    assert pipeline.redrive("billing", error="ConnectionError").redriven == 1
    until(lambda: ready(broker, "shipments"))
    assert (outside.charged, list(pipeline.put_aside("billing"))) == ([17], [])


def test_an_order_that_is_sent_back_has_all_of_its_attempts_again(
    broker: leveret.Service,
    clock: leveret.ManualClock,
    pipeline: Any,
    outside: Outside,
    until: Until,
) -> None:
    outside.error = ConnectionError("no answer")
    pipeline.place(17, "tent", 19_900)
    fail_for_good(broker, clock, until)
    pipeline.redrive("billing")
    fail_for_good(broker, clock, until)
    assert len(list(pipeline.put_aside("billing"))) == 1


def test_an_order_that_waits_outlives_the_process(
    tmp_path: Path, outside: Outside, until: Until
) -> None:
    outside.error = ConnectionError("no answer")
    with leveret.open(TOPOLOGY, data=tmp_path, clock=leveret.ManualClock()) as broker:
        Pipeline(broker, outside.charge, outside.pack).place(17, "tent", 19_900)
        until(lambda: waiting(broker))
    outside.error = None
    clock = leveret.ManualClock()
    with leveret.open(TOPOLOGY, data=tmp_path, clock=clock) as broker:
        Pipeline(broker, outside.charge, outside.pack)
        assert waiting(broker) == 1
        clock.advance(seconds=0.2)
        until(lambda: ready(broker, "shipments"))
    assert outside.charged == [17]
