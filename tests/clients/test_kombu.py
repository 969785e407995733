"""amqp and kombu: every exchange type kombu has, and what its virtual transports imitate for real.

Statements: S42 S44 S50 S80 S83 S97 S124.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.clients.conftest import Wanted


@pytest.fixture
def connection(wanted: Wanted, url: str) -> Iterator[Any]:
    with wanted.module("kombu", "amqp").Connection(
        url.replace("%2F", "/"), confirm_publish=True
    ) as opened:
        opened.ensure_connection(max_retries=1)
        yield opened


@pytest.fixture
def kombu(wanted: Wanted) -> Any:
    return wanted.module("kombu")


def drain(queue: Any) -> list[Any]:
    """Return what a queue holds."""
    found = []
    while (message := queue.get(no_ack=True)) is not None:
        found.append(message.payload)
    return found


def test_s124_the_server_is_taken_for_rabbitmq(kombu: Any, connection: Any) -> None:
    transport = connection.connection
    assert transport.server_properties["product"] == "RabbitMQ"
    assert transport.server_capabilities["connection.blocked"]
    assert transport.server_capabilities["consumer_cancel_notify"]
    assert connection.transport.verify_connection(transport)
    assert connection.info()["transport"] == "amqp"


@pytest.mark.parametrize(
    ("kind", "binding", "keys", "reached"),
    [
        ("direct", "k", ["k", "other", "k"], [0, 2]),
        ("fanout", "", ["k", "", "other"], [0, 1, 2]),
        ("topic", "a.#", ["a", "a.b", "b", "a.b.c"], [0, 1, 3]),
        ("topic", "*.b", ["a.b", "b", "a.a.b", ".b"], [0, 3]),
    ],
)
def test_s42_s44_an_exchange_of_each_type_routes_as_rabbitmq_does(
    kombu: Any, connection: Any, kind: str, binding: str, keys: list[str], reached: list[int]
) -> None:
    exchange = kombu.Exchange("x", type=kind)
    queue = kombu.Queue("q", exchange, routing_key=binding)(connection.channel())
    queue.declare()
    producer = connection.Producer(exchange=exchange)
    for number, key in enumerate(keys):
        producer.publish(number, routing_key=key)
    assert drain(queue) == reached


def test_s50_a_headers_exchange_looks_at_headers(kombu: Any, connection: Any) -> None:
    exchange = kombu.Exchange("x", type="headers")
    arguments = {"x-match": "any", "a": 1, "b": "two"}
    queue = kombu.Queue("q", exchange, binding_arguments=arguments)(connection.channel())
    queue.declare()
    producer = connection.Producer(exchange=exchange)
    for number, headers in enumerate(({"a": 1}, {"a": 2}, {"b": "two", "c": 3}, {})):
        producer.publish(number, headers=headers)
    assert drain(queue) == [0, 2]


def test_exchanges_are_bound_to_exchanges(kombu: Any, connection: Any) -> None:
    channel = connection.channel()
    source, target = (
        kombu.Exchange("source", "topic")(channel),
        kombu.Exchange("target", "fanout")(channel),
    )
    queue = kombu.Queue("q", target)(channel)
    source.declare()
    queue.declare()
    target.bind_to("source", routing_key="a.*")
    producer = connection.Producer()
    for key in ("a.b", "b.a"):
        producer.publish(key, exchange="source", routing_key=key)
    target.unbind_from("source", routing_key="a.*")
    producer.publish("late", exchange="source", routing_key="a.b")
    assert drain(queue) == ["a.b"]


def test_s97_priorities_of_a_queue_of_kombu_s_own(kombu: Any, connection: Any) -> None:
    queue = kombu.Queue("q", max_priority=10)(connection.channel())
    queue.declare()
    producer = connection.Producer(routing_key="q")
    for priority in (1, 9, 0, 5):
        producer.publish(priority, priority=priority)
    assert drain(queue) == [9, 5, 1, 0]


def test_limits_and_expiry_of_a_queue_of_kombu_s_own(
    kombu: Any, connection: Any, broker: Any
) -> None:
    queue = kombu.Queue("q", max_length=2, message_ttl=60, expires=300)(connection.channel())
    queue.declare()
    producer = connection.Producer(routing_key="q")
    for number in range(4):
        producer.publish(number)
    assert broker.virtual_hosts["/"].queues["q"].arguments == {
        "x-expires": 300_000,
        "x-message-ttl": 60_000,
        "x-max-length": 2,
    }
    assert drain(queue) == [2, 3]


@pytest.mark.parametrize("how", ["requeue", "reject", "ack"])
def test_s80_a_message_is_settled(kombu: Any, connection: Any, how: str) -> None:
    queue = kombu.Queue("q")(connection.channel())
    queue.declare()
    producer = connection.Producer(routing_key="q")
    for number in (1, 2):
        producer.publish(number)
    message = queue.get()
    getattr(message, how)()
    assert drain(queue) == ([1, 2] if how == "requeue" else [2])


@pytest.mark.parametrize("serializer", ["json", "pickle", "yaml"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_what_is_serialized_comes_back(
    kombu: Any, connection: Any, serializer: str, compression: str | None
) -> None:
    queue = kombu.Queue("q")
    got: list[Any] = []
    data = {"text": "é" * 500, "list": [1, 2.5, None]}
    with kombu.Consumer(connection.channel(), [queue], accept=[serializer]) as consumer:
        consumer.register_callback(lambda body, _: got.append(body))
        connection.Producer().publish(
            data, routing_key="q", serializer=serializer, compression=compression
        )
        connection.drain_events(timeout=5)
    assert got == [data]


def test_a_simple_queue_and_a_pool(kombu: Any, connection: Any) -> None:
    import queue as queues

    pool = connection.Pool(2)
    for number in range(4):
        with pool.acquire(block=True) as each, each.SimpleQueue("simple") as simple:
            simple.put({"n": number})
    pool.force_close_all()
    with connection.SimpleBuffer("simple-buffer") as buffer, pytest.raises(queues.Empty):
        buffer.get(block=False)
    with connection.SimpleQueue("simple") as simple:
        assert simple.qsize() == 4
        message = simple.get(timeout=5)
        message.ack()
        assert message.payload == {"n": 0}


def test_amqp_s_heartbeats_are_answered(wanted: Wanted, url: str) -> None:
    amqp = wanted.module("amqp")
    host = url.rpartition("@")[2].partition("/")[0]
    with amqp.Connection(host, heartbeat=2) as connection:
        assert connection.heartbeat == 2
        for _ in range(2):
            before = connection.bytes_recv
            connection.heartbeat_tick()
            assert not connection.blocking_read(timeout=5)
            assert connection.bytes_recv > before


def test_amqp_hears_of_returns_and_cancels(wanted: Wanted, url: str, broker: Any) -> None:
    amqp = wanted.module("amqp")
    host = url.rpartition("@")[2].partition("/")[0]
    with amqp.Connection(host) as connection:
        channel = connection.channel()
        returned: list[Any] = []
        channel.events["basic_return"].add(lambda *args: returned.append(args[:2]))
        channel.basic_publish(amqp.Message("x"), routing_key="none", mandatory=True)
        cancelled: list[str] = []
        channel.queue_declare("q", auto_delete=False)
        tag = channel.basic_consume("q", on_cancel=cancelled.append)
        broker.channel().queue_delete("q")
        while not (returned and cancelled):
            connection.drain_events(timeout=5)
        assert cancelled == [tag]
        with pytest.raises(amqp.exceptions.NotFound):
            channel.queue_declare("nowhere", passive=True)
