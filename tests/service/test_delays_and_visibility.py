"""Delays and the visibility timeout through both faces: publish later, extend, work in time."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

import leveret
from leveret import aio
from leveret.service import DeliveryLostError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOPOLOGY = """
exchanges: {orders: topic}
queues:
  billing: {visibility_timeout: 30s}
  plain: {}
bindings:
  - orders[order.#] -> billing
"""
#: Generous: what is waited for comes at once, but on a machine that is busy.
SOON_S = 60


@pytest.fixture
def clock() -> leveret.ManualClock:
    return leveret.ManualClock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "topology.yaml"
    path.write_text(TOPOLOGY, encoding="utf-8")
    return path


@pytest.fixture
def broker(file: Path, clock: leveret.ManualClock) -> Iterator[leveret.Service]:
    with leveret.open(file, clock=clock) as service:
        yield service


def test_a_delayed_publish_arrives_when_its_time_has_come(
    broker: leveret.Service, clock: leveret.ManualClock
) -> None:
    delayed = broker.publish("orders", "order.new", "later", delay="5m")
    assert delayed is not None
    assert broker.get("billing") is None
    clock.advance(seconds=299)
    assert broker.get("billing") is None
    clock.advance(seconds=1)
    delivery = broker.get("billing")
    assert delivery is not None
    assert delivery.text() == "later"
    assert not delayed.cancel()


def test_a_delayed_publish_can_be_cancelled(
    broker: leveret.Service, clock: leveret.ManualClock
) -> None:
    delayed = broker.publish("orders", "order.new", "never", delay=10)
    assert delayed is not None
    assert delayed.cancel()
    assert not delayed.cancel()
    clock.advance(seconds=10)
    assert broker.get("billing") is None


def test_a_delayed_publish_outlives_the_service(file: Path, tmp_path: Path) -> None:
    clock = leveret.ManualClock()
    with leveret.open(file, data=tmp_path / "data", clock=clock) as broker:
        broker.publish("orders", "order.new", "later", delay=60)
    clock = leveret.ManualClock(clock.now_ms() + 61_000)
    with leveret.open(file, data=tmp_path / "data", clock=clock) as broker:
        clock.advance(ms=1)
        delivery = broker.get("billing")
        assert delivery is not None
        assert delivery.text() == "later"


def test_a_delivery_that_is_extended_stays_its_holders(
    broker: leveret.Service, clock: leveret.ManualClock
) -> None:
    broker.publish("orders", "order.new", "x")
    delivery = broker.get("billing")
    assert delivery is not None
    clock.advance(seconds=29)
    delivery.extend("1m")
    clock.advance(seconds=59)
    delivery.ack()
    with pytest.raises(DeliveryLostError, match="is acked already"):
        delivery.extend(5)


def test_one_that_is_not_is_lost_and_comes_again(
    broker: leveret.Service, clock: leveret.ManualClock
) -> None:
    broker.publish("orders", "order.new", "x")
    delivery = broker.get("billing")
    assert delivery is not None
    clock.advance(seconds=30)
    with pytest.raises(DeliveryLostError, match="is not held any more, and is not extended"):
        delivery.extend(5)
    with pytest.raises(DeliveryLostError, match="its time was over"):
        delivery.ack()
    again = broker.get("billing")
    assert again is not None
    assert (again.redelivered, again.text()) == (True, "x")
    again.ack()


def test_what_expires_before_anybody_takes_it_out_of_the_loop_is_not_handed_out(
    broker: leveret.Service, clock: leveret.ManualClock
) -> None:
    for body in ("a", "b"):
        broker.publish("orders", "order.new", body)
    with broker.consume("billing", prefetch=2) as consumer:
        deliveries = iter(consumer)
        first = next(deliveries)
        clock.advance(seconds=30)
        seen = [next(deliveries), next(deliveries)]
        assert [(one.redelivered, one.text()) for one in seen] == [(True, "a"), (True, "b")]
        with pytest.raises(DeliveryLostError):
            first.ack()
        clock.advance(seconds=30)
    assert broker.engine.statistics().ready == 2


def test_a_consumers_own_timeout_holds_where_its_queue_has_none(
    broker: leveret.Service, clock: leveret.ManualClock
) -> None:
    broker.publish("", "plain", "x")
    with broker.consume("plain", visibility_timeout=1) as consumer:
        deliveries = iter(consumer)
        next(deliveries)
        clock.advance(seconds=1)
        assert next(deliveries).redelivered


def test_a_worker_that_hangs_loses_its_message_to_another(
    broker: leveret.Service, clock: leveret.ManualClock
) -> None:
    hung, done = threading.Event(), threading.Event()
    release = threading.Event()
    handled: list[bool] = []

    def handle(delivery: leveret.service.Delivery) -> None:
        if not delivery.redelivered:
            hung.set()
            assert release.wait(SOON_S)
        else:
            handled.append(True)
            done.set()

    worker = broker.worker("plain", handle, concurrency=2, prefetch=2, visibility_timeout=5)
    broker.publish("", "plain", "x")
    assert hung.wait(SOON_S)
    clock.advance(seconds=5)
    assert done.wait(SOON_S)
    release.set()
    assert worker.stop(SOON_S)
    statistics = worker.statistics()
    assert (statistics.handled, statistics.lost) == (1, 1)
    assert broker.engine.statistics().ready == 0


def test_a_partition_goes_on_behind_a_message_that_expired_before_its_turn(
    tmp_path: Path, clock: leveret.ManualClock
) -> None:
    file = tmp_path / "parts.yaml"
    file.write_text(
        "queues: {jobs: {partitions: 4, by: routing_key, visibility_timeout: 5s}}\n",
        encoding="utf-8",
    )
    hung, release, done = threading.Event(), threading.Event(), threading.Event()
    handled: set[str] = set()

    def handle(delivery: leveret.service.Delivery) -> None:
        if not hung.is_set():
            hung.set()
            assert release.wait(SOON_S)
            return
        handled.add(delivery.text())
        if len(handled) == 8:
            done.set()

    with leveret.open(file, clock=clock) as broker:
        worker = broker.worker("jobs", handle, concurrency=1)
        for number in range(8):
            broker.publish("jobs", f"key-{number}", str(number))
        assert hung.wait(SOON_S)
        clock.advance(seconds=5)
        release.set()
        assert done.wait(SOON_S)
        assert worker.stop(SOON_S)
        statistics = worker.statistics()
        assert (statistics.handled, statistics.lost) == (8, 1)


def test_coroutines_publish_later_and_extend_too(file: Path) -> None:
    async def converse() -> None:
        clock = leveret.ManualClock()
        async with aio.open(file, clock=clock) as broker:
            delayed = await broker.publish("orders", "order.new", "x", delay=10)
            assert delayed is not None
            clock.advance(seconds=10)
            delivery = await broker.get("billing")
            assert delivery is not None
            clock.advance(seconds=29)
            await delivery.extend(60)
            clock.advance(seconds=59)
            assert delivery._is_held()
            clock.advance(seconds=1)
            with pytest.raises(DeliveryLostError):
                await delivery.extend(60)
            async with broker.consume("billing", prefetch=1) as consumer:
                async for again in consumer:
                    assert again.redelivered
                    clock.advance(seconds=30)
                    break
            assert broker.engine.statistics().ready == 1

    asyncio.run(converse())
