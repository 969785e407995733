"""`Broker.serve`: real clients on a socket, and the same broker in other threads."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pika
import pytest
from amqp_clients import TIMEOUT_S, eventually, published

import leveret
from leveret import Properties
from leveret.engine import Channel
from leveret.server import ServerLimits

if TYPE_CHECKING:
    from collections.abc import Callable

    from amqp_clients import RawClient

    from leveret.server.background import RunningServer


def test_a_client_and_the_program_share_queues(broker: Any, serve: Any, connect: Any) -> None:
    server = serve()
    assert server.url == f"amqp://127.0.0.1:{server.port}"
    channel = connect(server).channel()
    channel.confirm_delivery()
    broker.queue_declare("orders")
    channel.basic_publish("", "orders", b"from the client", pika.BasicProperties(priority=3))
    method, properties, body = broker.basic_get("orders", auto_ack=True)
    assert (method.routing_key, properties.priority, body) == ("orders", 3, b"from the client")
    broker.basic_publish("", "orders", b"from the program")
    assert channel.basic_get("orders", auto_ack=True)[2] == b"from the program"


def test_a_consumer_hears_at_once_what_another_thread_publishes(
    broker: Any, serve: Any, raw: Callable[[RunningServer], RawClient]
) -> None:
    client = raw(serve()).log_in()
    broker.queue_declare("q")
    client.call("basic.consume", queue="q", consumer_tag="c", no_ack=True)
    broker.basic_publish("", "q", b"now")
    assert client.method().name == "basic.deliver"


def test_times_to_live_set_by_another_thread_run_out_on_time(
    broker: Any, serve: Any, raw: Callable[[RunningServer], RawClient]
) -> None:
    client = raw(serve()).log_in()
    broker.queue_declare("dead")
    client.call("basic.consume", queue="dead", consumer_tag="c", no_ack=True)
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
    broker.queue_declare("q", arguments=arguments | {"x-message-ttl": 30})
    broker.basic_publish("", "q", b"late")
    assert client.method().name == "basic.deliver"


def test_a_manual_clock_moved_by_the_test_moves_the_server(stack: Any, raw: Any) -> None:
    broker = leveret.Broker(clock=leveret.ManualClock())
    broker.queue_declare("dead")
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
    broker.queue_declare("q", arguments=arguments | {"x-message-ttl": 3_600_000})
    broker.basic_publish("", "q", b"an hour")
    client = raw(stack.enter_context(broker.serve(port=0))).log_in()
    client.call("basic.consume", queue="dead", consumer_tag="c", no_ack=True)
    assert isinstance(broker.clock, leveret.ManualClock)
    broker.clock.advance(seconds=3600)
    assert client.method().name == "basic.deliver"


def test_threads_and_clients_lose_and_double_nothing(broker: Any, serve: Any, connect: Any) -> None:
    server = serve()
    broker.queue_declare("q")
    each = 300

    def by_conveniences(worker: int) -> None:
        for number in range(each):
            broker.basic_publish("", "q", b"%d.%d" % (worker, number))

    def by_a_channel(worker: int) -> None:
        channel = broker.channel()
        for number in range(each):
            channel.basic_publish("", "q", b"%d.%d" % (worker, number))

    def by_a_connection(worker: int) -> None:
        with broker.connect() as connection:
            channel = connection.channel()
            for number in range(each):
                channel.basic_publish("", "q", b"%d.%d" % (worker, number))

    def by_a_client(worker: int) -> None:
        connection = pika.BlockingConnection(pika.URLParameters(server.url))
        channel = connection.channel()
        channel.confirm_delivery()
        for number in range(each):
            channel.basic_publish("", "q", b"%d.%d" % (worker, number))
        connection.close()

    def statistics(_: int) -> None:
        for _ in range(each // 10):
            broker.statistics()

    works = [by_conveniences, by_a_channel, by_a_connection, by_a_client, statistics] * 2
    with ThreadPoolExecutor(len(works)) as pool:
        for done in [pool.submit(work, number) for number, work in enumerate(works)]:
            done.result(timeout=60)
    with server.lock:
        broker.check()
    channel = connect(server).channel()
    bodies = []
    while (body := channel.basic_get("q", auto_ack=True)[2]) is not None:
        bodies.append(body)
    publishers = [number for number, work in enumerate(works) if work is not statistics]
    assert sorted(bodies) == sorted(b"%d.%d" % (w, n) for w in publishers for n in range(each))


def test_callbacks_are_called_by_the_servers_thread_in_order(
    broker: Any, serve: Any, connect: Any
) -> None:
    broker.queue_declare("q")
    before = broker.channel()
    heard: list[tuple[str, bytes]] = []

    def hear(channel: Channel, method: Any, properties: Any, body: bytes) -> None:
        heard.append((threading.current_thread().name, body))
        channel.basic_ack(method.delivery_tag)

    before.basic_consume("q", hear)
    server = serve()
    channel = connect(server).channel()
    channel.confirm_delivery()
    channel.basic_publish("", "q", b"1")
    broker.basic_publish("", "q", b"2")
    eventually(lambda: len(heard) == 2, server)
    assert [body for _, body in heard] == [b"1", b"2"]
    assert {name for name, _ in heard} != {threading.current_thread().name}
    with server.lock:
        assert broker.virtual_hosts["/"].queues["q"].unacked == 0


def test_a_callback_that_raises_is_logged_and_hurts_no_client(
    broker: Any, serve: Any, connect: Any, caplog: pytest.LogCaptureFixture
) -> None:
    broker.queue_declare("q")
    heard: list[bytes] = []

    def fail_once(channel: Channel, method: Any, properties: Any, body: bytes) -> None:
        heard.append(body)
        if len(heard) == 1:
            raise ValueError("a mistake in the program")

    server = serve()
    broker.channel().basic_consume("q", fail_once, auto_ack=True)
    channel = connect(server).channel()
    channel.confirm_delivery()
    channel.basic_publish("", "q", b"1")
    channel.basic_publish("", "q", b"2")
    eventually(lambda: heard == [b"1", b"2"], server)
    assert channel.is_open
    assert "a mistake in the program" in caplog.text


def test_requests_made_in_the_program_are_answered_by_a_client(
    broker: Any, serve: Any, raw: Callable[[RunningServer], RawClient]
) -> None:
    server = serve()
    client = raw(server).log_in()
    broker.queue_declare("quotes")
    client.call("basic.consume", queue="quotes", consumer_tag="c", no_ack=True)
    done = threading.Event()
    pending = broker.requests(reply_queue="replies").call(
        "", "quotes", b"sku 7", on_done=lambda _: done.set()
    )
    assert client.method().name == "basic.deliver"
    reply = Properties(correlation_id=pending.correlation_id)
    client.send(published("replies", b"42", properties=reply))
    assert done.wait(TIMEOUT_S)
    assert pending.result().body == b"42"


def test_closing_tells_clients_why_and_leaves_the_broker_whole(
    broker: Any, serve: Any, connect: Any
) -> None:
    server = serve(limits=ServerLimits(stop_grace_s=0.1))  # pika looks up only when told to
    connection = connect(server)
    connection.channel().queue_declare("q")
    server.close()
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker) as caught:
        connection.process_data_events(TIMEOUT_S)
    assert caught.value.reply_code == 320
    assert (
        caught.value.reply_text
        == "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'"
    )
    assert broker.queue_declare("q", passive=True, durable=False).message_count == 0
    server.close()


def test_a_broker_that_is_not_served_has_no_lock(broker: Any) -> None:
    channel = broker.channel()
    assert (type(broker), type(channel)) == (leveret.Broker, Channel)
    outbox = broker.outbox
    with broker.serve(port=0):
        assert (type(broker), type(channel)) != (leveret.Broker, Channel)
        assert isinstance(broker, leveret.Broker)
        inside = broker.channel()
    assert (type(broker), type(channel), type(inside)) == (leveret.Broker, Channel, Channel)
    assert type(broker.outbox) is type(outbox)
    heard: list[bytes] = []
    broker.queue_declare("q")
    inside.basic_consume("q", lambda *args: heard.append(args[3]), auto_ack=True)
    broker.basic_publish("", "q", b"as before")
    assert heard == [b"as before"]


def test_a_class_of_ones_own_keeps_its_methods_while_it_is_served() -> None:
    class Counting(leveret.Broker):
        published_here = 0

        def basic_publish(self, *args: Any, **kwargs: Any) -> None:
            self.published_here += 1
            super().basic_publish(*args, **kwargs)

    broker = Counting()
    with broker.serve(port=0):
        broker.basic_publish("", "nowhere")
    assert broker.published_here == 1
    assert type(broker) is Counting


def test_a_broker_is_served_once_at_a_time_and_again_after(broker: Any, serve: Any) -> None:
    first = serve()
    with pytest.raises(RuntimeError, match="served already"):
        broker.serve(port=0)
    assert broker.queue_declare("still-shared").message_count == 0
    first.close()
    serve()


def test_an_address_in_use_is_an_oserror(broker: Any, serve: Any) -> None:
    port = serve().port
    other = leveret.Broker()
    with pytest.raises(OSError, match="in use"):
        other.serve(port=port)
    assert type(other) is leveret.Broker
    with other.serve(port=0):
        pass


def test_a_callback_cannot_close_its_server(
    broker: Any, serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve()
    broker.queue_declare("q")
    broker.channel().basic_consume("q", lambda *_: server.close(), auto_ack=True)
    broker.basic_publish("", "q", b"close!")
    eventually(lambda: "cannot close the server" in caplog.text, server)


def test_every_client_lands_in_the_virtual_host_that_was_chosen(
    broker: Any, serve: Any, raw: Callable[[RunningServer], RawClient]
) -> None:
    broker.add_virtual_host("tests")
    broker.users.set_permission("guest", "tests", leveret.engine.permissions.Permission())
    client = raw(serve(virtual_host="tests")).log_in(virtual_host="/")
    client.call("queue.declare", queue="here")
    assert list(broker.virtual_hosts["tests"].queues) == ["here"]
