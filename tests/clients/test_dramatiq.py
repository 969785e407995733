"""Dramatiq: retries, dead-letter queues, delays, priorities, pipelines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.clients.conftest import Wanted

    from leveret import Broker

PATIENCE_MS = 20_000


@pytest.fixture
def dramatiq(wanted: Wanted) -> Any:
    return wanted.module("dramatiq", "pika")


@pytest.fixture
def actors(dramatiq: Any, wanted: Wanted, url: str) -> Iterator[Any]:
    """Return Dramatiq's broker, set as the one that actors declare themselves with."""
    rabbitmq = wanted.module("dramatiq.brokers.rabbitmq").RabbitmqBroker(
        url=url, confirm_delivery=True, max_priority=10
    )
    dramatiq.set_broker(rabbitmq)
    yield rabbitmq
    rabbitmq.close()


def work_off(dramatiq: Any, broker: Any, queue: str = "default") -> None:
    worker = dramatiq.Worker(broker, worker_timeout=50, worker_threads=1)
    worker.start()
    try:
        broker.join(queue, timeout=PATIENCE_MS)
        worker.join()
    finally:
        worker.stop()


def test_what_fails_is_tried_again_later(dramatiq: Any, actors: Any) -> None:
    tried: list[int] = []

    @dramatiq.actor(max_retries=3, min_backoff=50, max_backoff=100)
    def third_time_lucky(number: int) -> None:
        tried.append(number)
        if len(tried) < 3:
            raise RuntimeError("no luck")

    third_time_lucky.send(7)
    work_off(dramatiq, actors)
    assert tried == [7, 7, 7]


def test_what_fails_for_good_is_in_the_dead_letter_queue(
    dramatiq: Any, actors: Any, broker: Broker
) -> None:
    @dramatiq.actor(max_retries=0)
    def fail() -> None:
        raise RuntimeError("no luck")

    fail.send()
    work_off(dramatiq, actors)
    assert actors.get_queue_message_counts("default") == (0, 0, 1)
    _, properties, _ = broker.channel().basic_get("default.XQ")
    assert properties is not None
    headers: Any = properties.headers
    (death,) = headers["x-death"]
    assert (death["queue"], death["reason"]) == ("default", "rejected")


def test_delays_and_priorities(dramatiq: Any, actors: Any) -> None:
    done: list[str] = []

    @dramatiq.actor
    def note(name: str) -> None:
        done.append(name)

    note.send_with_options(args=("later",), delay=300)
    for name, priority in (("low", 1), ("high", 9), ("middle", 5)):
        note.send_with_options(args=(name,), broker_priority=priority)
    work_off(dramatiq, actors)
    assert done == ["high", "middle", "low", "later"]


def test_a_pipeline_goes_from_actor_to_actor(dramatiq: Any, actors: Any) -> None:
    results: list[int] = []

    @dramatiq.actor(queue_name="sums")
    def add(a: int, b: int) -> int:
        return a + b

    @dramatiq.actor(queue_name="sums")
    def keep(number: int) -> None:
        results.append(number)

    (add.message(1, 2) | add.message(10) | keep.message()).run()
    work_off(dramatiq, actors, "sums")
    assert results == [13]


def test_a_lost_connection_is_mended(dramatiq: Any, actors: Any, broker: Broker) -> None:
    done: list[int] = []

    @dramatiq.actor
    def note(number: int) -> None:
        done.append(number)

    note.send(1)
    for connection in list(broker.connections):
        connection.close()
    note.send(2)
    work_off(dramatiq, actors)
    assert done == [1, 2]
