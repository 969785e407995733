"""The shop with an outbox: whatever dies in between, each order has one invoice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from orders import TOPOLOGY, Billing, Shop, outbox
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

import leveret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy import Engine

    Until = Callable[[Callable[[], object]], None]

TIMEOUT_S = 30


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> leveret.ManualClock:
    """Give the time of broker and outbox, which stands still."""
    clock = leveret.ManualClock()
    monkeypatch.setattr(outbox, "clock", clock)
    return clock


@pytest.fixture
def broker(clock: leveret.ManualClock) -> Iterator[leveret.Service]:
    """Give an open broker."""
    with leveret.open(TOPOLOGY, clock=clock) as broker:
        yield broker


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Engine]:
    """Give the shop's database."""
    engine = create_engine(f"sqlite:///{tmp_path}/shop.db")
    yield engine
    engine.dispose()


@pytest.fixture
def shop(database: Engine) -> Any:
    """Give a shop."""
    return Shop(database)


@pytest.fixture
def billing(tmp_path: Path) -> Iterator[Any]:
    """Give billing, with a database of its own."""
    engine = create_engine(f"sqlite:///{tmp_path}/billing.db")
    yield Billing(engine)
    engine.dispose()


def place(shop: Any, database: Engine, *orders: tuple[str, int]) -> None:
    """Place orders, each in a transaction of its own."""
    for customer, cents in orders:
        with Session(database) as session, session.begin():
            shop.place(session, customer, cents)


def ready(broker: leveret.Service, queue: str = "billing") -> int:
    """Return how many messages wait in a queue."""
    return broker.statistics().queues[queue].ready


def test_an_order_that_is_committed_is_billed_at_once(
    broker: leveret.Service, database: Engine, shop: Any, billing: Any, until: Until
) -> None:
    broker.subscribe("bill", billing.on_placed)
    with shop.relay(broker):
        place(shop, database, ("ann", 100), ("bob", 200))
        assert [billing.written.get(timeout=TIMEOUT_S) for _ in range(2)] == [1, 2]
        until(lambda: shop.unpublished() == 0)
    assert billing.invoices() == [1, 2]


def test_of_an_order_that_is_rolled_back_nobody_hears(
    broker: leveret.Service, database: Engine, shop: Any
) -> None:
    with Session(database) as session:
        shop.place(session, "ann", 100)
        session.rollback()
    assert shop.unpublished() == 0
    assert shop.relay(broker).run_once() == 0


def test_an_order_waits_while_there_is_no_relay(
    broker: leveret.Service, database: Engine, shop: Any
) -> None:
    place(shop, database, ("ann", 100), ("ann", 200))
    assert (shop.unpublished(), ready(broker)) == (2, 0)
    assert shop.relay(broker).run_once() == 2
    assert (shop.unpublished(), ready(broker)) == (0, 2)


def test_what_a_relay_publishes_twice_arrives_once(
    broker: leveret.Service, clock: leveret.ManualClock, database: Engine, shop: Any
) -> None:
    place(shop, database, ("ann", 100))

    class DiesAfterwards:
        """A broker whose confirm never arrives."""

        def publish(self, *args: Any, **kwargs: Any) -> None:
            """Publish, and die."""
            broker.publish(*args, **kwargs)
            raise ConnectionError("the confirm was lost")

    assert shop.relay(DiesAfterwards()).run_once() == 0
    assert shop.unpublished() == 1
    clock.advance(seconds=10)
    assert shop.relay(broker).run_once() == 1
    assert (shop.unpublished(), ready(broker)) == (0, 1)


def test_a_message_that_comes_twice_has_one_invoice(
    broker: leveret.Service,
    clock: leveret.ManualClock,
    database: Engine,
    shop: Any,
    billing: Any,
    until: Until,
) -> None:
    def die_after_the_first(delivery: leveret.Delivery) -> None:
        billing.on_placed(delivery)
        if delivery.attempt == 1:
            raise ConnectionError("died before the acknowledgement")

    worker = broker.subscribe("bill", die_after_the_first)
    place(shop, database, ("ann", 100))
    shop.relay(broker).run_once()
    until(lambda: worker.statistics().retried == 1)
    clock.advance(seconds=1)
    until(lambda: worker.statistics().handled == 1)
    assert [billing.written.get(timeout=TIMEOUT_S) for _ in range(2)] == [1, 1]
    assert billing.invoices() == [1]


def test_the_orders_of_a_customer_are_published_in_order(
    broker: leveret.Service, clock: leveret.ManualClock, database: Engine, shop: Any
) -> None:
    place(shop, database, ("ann", 1), ("bob", 2), ("ann", 3))
    failing = {"ann"}

    class Selective:
        """A broker that does not take the messages of some customers."""

        def publish(self, exchange: str, key: str, body: bytes, **kwargs: Any) -> None:
            """Publish, or fail."""
            if any(name.encode() in body for name in failing):
                raise ConnectionError("no broker")
            broker.publish(exchange, key, body, **kwargs)

    relay = shop.relay(Selective())
    assert relay.run_once() == 1  # bob's, who is not held up
    failing.clear()
    clock.advance(seconds=1)
    assert relay.run_once() == 2
    orders = [delivery.json()["order"] for _ in range(3) if (delivery := broker.get("billing"))]
    assert orders == [2, 1, 3]
