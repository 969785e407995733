"""Getting, consuming and calling: the same for threads and for asyncio."""

from __future__ import annotations

import datetime
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

import leveret
from leveret import config, errors
from leveret.engine.requests import RequestTimeoutError, RequestUnroutableError
from leveret.service import CallFailedError, ConsumerCancelledError, DeliveryLostError

if TYPE_CHECKING:
    from collections.abc import Callable

SOON_S = 60
TOPOLOGY = """
queues: {work: {dead_letter: true}, other: {}, quotes: {}}
requests: {quote: {routing_key: quotes, timeout: 2s}}
"""


@pytest.fixture
def topology(tmp_path: Any) -> config.Topology:
    path = tmp_path / "topology.yaml"
    path.write_text(TOPOLOGY, encoding="utf-8")
    return config.load(path)


@pytest.fixture
def broker(open_service: Callable[..., Any], topology: config.Topology) -> Any:
    return open_service(topology)


def test_an_empty_queue_is_waited_for(broker: Any) -> None:
    assert broker.get("work") is None
    assert broker.get("work", timeout=0.01) is None
    with ThreadPoolExecutor(1) as others:
        waiting = others.submit(broker.get, "work", timeout=SOON_S)
        broker.publish("", "work", {"id": 7})
        delivery = waiting.result(SOON_S)
    assert delivery.json() == {"id": 7}
    assert not delivery.redelivered
    delivery.ack()
    assert broker.statistics().queues["work"].unacked == 0


def test_a_timeout_counts_on_the_brokers_clock(
    open_service: Callable[..., Any], topology: config.Topology
) -> None:
    clock = leveret.ManualClock()
    broker = open_service(topology, clock=clock)
    with ThreadPoolExecutor(1) as others:
        waiting = others.submit(broker.get, "work", timeout="1h")
        while not waiting.done():
            clock.advance(seconds=1800)
        assert waiting.result(SOON_S) is None


def test_a_queue_that_is_not_there_is_refused_as_rabbitmq_does(broker: Any) -> None:
    for call in (broker.get, broker.consume):
        with pytest.raises(errors.NotFound, match="no queue 'wrok' in vhost '/'"):
            call("wrok")
    broker.publish("", "work", "x")
    assert broker.get("work").text() == "x"


def test_a_delivery_is_settled_once(broker: Any) -> None:
    broker.publish("", "work", "x")
    delivery = broker.get("work")
    delivery.nack()
    with pytest.raises(DeliveryLostError, match="delivery 1 of queue 'work' is requeued already"):
        delivery.ack()
    again = broker.get("work")
    assert again.redelivered
    again.reject()
    dead = broker.get("work.dlq")
    assert dead.headers["x-first-death-reason"] == "rejected"
    assert again.settled == "rejected"


def test_a_context_acks_on_success_and_rejects_on_error(broker: Any) -> None:
    broker.publish_many([("", "work", "good"), ("", "work", "bad"), ("", "work", "settled")])
    with broker.get("work") as delivery:
        assert delivery.text() == "good"
    with pytest.raises(KeyError), broker.get("work"):
        raise KeyError("no such order")
    with broker.get("work") as delivery:
        delivery.nack()
    queues = broker.statistics().queues
    assert (queues["work"].acked, queues["work"].unacked, queues["work"].ready) == (1, 0, 1)
    assert broker.get("work.dlq").text() == "bad"


def test_deliveries_are_looped_over_until_none_comes(broker: Any) -> None:
    broker.publish_many([("", "work", number) for number in range(50)])
    seen = []
    for delivery in broker.consume("work", prefetch=7, timeout=0.05):
        assert broker.statistics().queues["work"].unacked <= 7
        seen.append(delivery.json())
        delivery.ack()
    assert seen == list(range(50))
    assert not broker.statistics().queues["work"].consumers


def test_leaving_a_loop_gives_back_what_was_not_taken_out(broker: Any) -> None:
    broker.publish_many([("", "work", number) for number in range(5)])
    consumer = broker.consume("work", prefetch=3)
    for delivery in consumer:
        taken = delivery
        break
    consumer.close()
    figures = broker.statistics().queues["work"]
    assert (figures.ready, figures.unacked, figures.consumers) == (4, 1, ())
    taken.ack()
    assert [broker.get("work").json() for _ in range(4)] == [1, 2, 3, 4]


def test_auto_ack_leaves_nothing_to_settle(broker: Any) -> None:
    broker.publish_many([("", "work", 1), ("", "work", 2)])
    for delivery in broker.consume("work", auto_ack=True, timeout=0.05):
        with pytest.raises(DeliveryLostError, match="is acked already"):
            delivery.ack()
    assert broker.statistics().queues["work"].acked == 2
    broker.publish("", "work", 3)
    assert broker.get("work", auto_ack=True).settled == "acked"


def test_a_queue_that_is_deleted_ends_the_loop_with_an_error(broker: Any) -> None:
    consumer = broker.consume("work")
    broker.channel().queue_delete("work")
    with pytest.raises(ConsumerCancelledError, match="queue 'work' was deleted"):
        list(consumer)


def test_a_delivery_whose_consumer_is_gone_is_lost(
    open_service: Callable[..., Any], topology: config.Topology
) -> None:
    broker = open_service(topology)
    broker.publish("", "work", "x")
    delivery = broker.get("work")
    broker.close()
    with pytest.raises(DeliveryLostError, match="comes again"):
        delivery.ack()


def test_a_request_gets_its_own_reply(broker: Any) -> None:
    def price(request: Any) -> dict[str, int]:
        return {"cents": request.json()["sku"] * 100}

    broker.serve("quote", price, concurrency=3)
    with ThreadPoolExecutor(8) as others:
        replies = others.map(lambda sku: broker.call("quote", {"sku": sku}).json(), range(40))
        assert list(replies) == [{"cents": sku * 100} for sku in range(40)]


def test_a_queue_is_called_by_its_own_name_too(broker: Any) -> None:
    broker.serve("other", lambda request: request.text().upper())
    assert broker.call("other", "hello", timeout=SOON_S).text() == "HELLO"


def test_an_error_of_the_server_is_the_callers(broker: Any) -> None:
    def fail(request: Any) -> None:
        raise LookupError(f"no sku {request.json()}")

    broker.serve("quote", fail)
    with pytest.raises(CallFailedError, match="LookupError: no sku 7"):
        broker.call("quote", 7)


def test_a_result_that_cannot_be_sent_is_an_error_of_the_server(broker: Any) -> None:
    broker.serve("quote", lambda request: {1, 2})
    with pytest.raises(CallFailedError, match="TypeError: a body of type set"):
        broker.call("quote", 7)


def test_a_request_that_nobody_answers_times_out(
    open_service: Callable[..., Any], topology: config.Topology
) -> None:
    clock = leveret.ManualClock()
    broker = open_service(topology, clock=clock)
    with ThreadPoolExecutor(1) as others:
        waiting = others.submit(broker.call, "quote", 7)
        while not waiting.done():
            clock.advance(ms=500)
        with pytest.raises(RequestTimeoutError, match="within 2000 ms"):
            waiting.result(SOON_S)


def test_a_request_that_no_queue_takes_fails_at_once(broker: Any) -> None:
    with pytest.raises(RequestUnroutableError, match="routing key 'nobody'"):
        broker.call("nobody", 7)


def test_requests_of_a_name_arrive_in_one_queue(open_service: Callable[..., Any]) -> None:
    broker = open_service()
    with pytest.raises(errors.NotFound, match="no queue 'quotes'"):
        broker.serve("quotes", lambda request: None)


def test_clients_are_served_over_amqp_beside(broker: Any) -> None:
    pika = pytest.importorskip("pika")
    server = broker.serve(port=0)
    with pika.BlockingConnection(pika.URLParameters(server.url)) as connection:
        channel = connection.channel()
        channel.basic_publish("", "work", b"from pika")
        delivery = broker.get("work", timeout=SOON_S)
        assert delivery.body == b"from pika"
        broker.publish("", "other", {"to": "pika"})
        assert channel.basic_get("other")[2] == b'{"to":"pika"}'


def test_a_route_is_explained(broker: Any) -> None:
    assert "✔ reaches 'work'" in str(broker.explain("", "work"))


@pytest.mark.parametrize(
    ("wrong", "error"),
    [("5 parsecs", ValueError), (-1, ValueError), (True, TypeError), (float("inf"), ValueError)],
)
def test_a_duration_that_is_none_is_refused(
    broker: Any, wrong: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        broker.get("work", timeout=wrong)


def test_a_duration_may_be_a_timedelta(broker: Any) -> None:
    delayed = broker.publish("", "work", "x", delay=datetime.timedelta(hours=1))
    assert delayed.cancel()


def test_whoever_waits_may_be_the_one_who_is_interrupted(broker: Any) -> None:
    """Nothing is left behind by waits that end without a message."""
    for _ in range(20):
        assert broker.get("work", timeout=0) is None
    figures = broker.statistics()
    assert not figures.queues["work"].consumers
    assert threading.active_count() < 50
