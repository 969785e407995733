"""The web service, tested through HTTP on one side and the broker on the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fastapi.testclient import TestClient
from shop import Order, make_app

from leveret.testing import json_with

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leveret.testing import Amqp

ORDER = {"id": 17, "sku": "tent"}


class Warehouse:
    """A warehouse that may be away."""

    def __init__(self) -> None:
        self.reserved: list[int] = []
        self.is_away = False

    async def reserve(self, order: Order) -> None:
        """Reserve the goods of an order."""
        if self.is_away:
            raise ConnectionError("no answer")
        self.reserved.append(order.id)


@pytest.fixture
def warehouse() -> Warehouse:
    """Give the warehouse behind the service."""
    return Warehouse()


@pytest.fixture
def web(amqp: Amqp, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """Give an HTTP client of the service, which runs on the test's broker."""
    monkeypatch.setenv("AMQP_URL", f"{amqp.url}?reconnect_interval=0.1")
    with TestClient(make_app(warehouse.reserve)) as web:
        yield web


def test_an_order_is_published_and_its_goods_are_reserved(
    amqp: Amqp, web: TestClient, warehouse: Warehouse
) -> None:
    assert web.post("/orders", json=ORDER).status_code == 202
    amqp.wait_idle()
    amqp.assert_published(
        "orders",
        "order.17.created",
        body=json_with(sku="tent"),
        to=["reservations"],
        content_type="application/json",
        delivery_mode=2,
    )
    assert warehouse.reserved == [17]


def test_while_the_warehouse_is_away_the_order_waits_and_comes_again_each_minute(
    amqp: Amqp, web: TestClient, warehouse: Warehouse
) -> None:
    warehouse.is_away = True
    web.post("/orders", json=ORDER)
    for _ in range(3):
        amqp.wait_idle()
        amqp.clock.advance("1m")
    amqp.wait_idle()
    assert warehouse.reserved == []
    warehouse.is_away = False
    amqp.clock.advance("1m")
    amqp.wait_idle()
    assert warehouse.reserved == [17]
    assert [letter.reason for letter in amqp.dead_letters] == ["rejected", "expired"] * 4


def test_an_order_that_the_broker_does_not_take_is_not_accepted(
    amqp: Amqp, web: TestClient, warehouse: Warehouse
) -> None:
    amqp.nack_publishes()
    assert web.post("/orders", json=ORDER).status_code == 503
    assert web.post("/orders", json=ORDER).status_code == 202
    amqp.wait_idle()
    assert warehouse.reserved == [17]


def test_an_order_that_no_queue_takes_is_not_accepted(amqp: Amqp, web: TestClient) -> None:
    amqp.broker.queue_unbind("reservations", "orders", "order.*.created")
    assert web.post("/orders", json=ORDER).status_code == 503
    assert [message.json for message in amqp.unroutable] == [ORDER]


def test_after_a_restart_of_the_broker_the_service_goes_on(
    amqp: Amqp, web: TestClient, warehouse: Warehouse
) -> None:
    amqp.restart()
    amqp.wait_until(lambda: amqp.queue("reservations").consumers, "30s")  # it reconnects
    assert web.post("/orders", json=ORDER).status_code == 202
    amqp.wait_idle()
    assert warehouse.reserved == [17]
