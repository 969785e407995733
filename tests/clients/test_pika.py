"""pika, blocking and on asyncio, in its own idioms.

Statements: S1 S57 S62 S73 S83 S116 S120 S121.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Any

import pika
import pika.exceptions
import pytest
from pika.adapters.asyncio_connection import AsyncioConnection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leveret import Broker
    from leveret.server.background import RunningServer


@pytest.fixture(autouse=True)
def quiet() -> None:
    # pika logs each channel that a broker closes, which here is what is tested.
    logging.getLogger("pika").setLevel(logging.CRITICAL)


@pytest.fixture
def connection(url: str) -> Iterator[pika.BlockingConnection]:
    with pika.BlockingConnection(pika.URLParameters(url)) as opened:
        yield opened


@pytest.fixture
def channel(connection: pika.BlockingConnection) -> Any:
    return connection.channel()


def test_a_generator_consumes_and_its_cancel_gives_back_what_was_fetched(channel: Any) -> None:
    channel.queue_declare("q")
    for number in range(5):
        channel.basic_publish("", "q", b"%d" % number)
    channel.basic_qos(prefetch_count=4)
    for method, _, body in channel.consume("q"):
        channel.basic_ack(method.delivery_tag)
        if body == b"1":
            break
    channel.cancel()
    assert [channel.basic_get("q", auto_ack=True)[2] for _ in range(4)] == [b"2", b"3", b"4", None]


def test_start_consuming_calls_back_until_stopped(channel: Any) -> None:
    channel.queue_declare("q")
    got: list[bytes] = []

    def on_message(channel: Any, method: Any, properties: Any, body: bytes) -> None:
        got.append(body)
        channel.basic_ack(method.delivery_tag)
        if len(got) == 3:
            channel.stop_consuming()

    channel.basic_consume("q", on_message)
    for number in range(3):
        channel.basic_publish("", "q", b"%d" % number)
    channel.start_consuming()
    assert got == [b"0", b"1", b"2"]


def test_s57_confirms_raise_for_what_reaches_no_queue(channel: Any) -> None:
    channel.confirm_delivery()
    with pytest.raises(pika.exceptions.UnroutableError) as caught:
        channel.basic_publish("", "nowhere", b"x", mandatory=True)
    (returned,) = caught.value.messages
    assert (returned.method.reply_code, returned.method.reply_text) == (312, "NO_ROUTE")
    channel.basic_publish("", "nowhere", b"x")


def test_s62_confirms_raise_for_what_a_queue_refuses(channel: Any) -> None:
    channel.queue_declare("q", arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    channel.confirm_delivery()
    channel.basic_publish("", "q", b"a")
    with pytest.raises(pika.exceptions.NackError):
        channel.basic_publish("", "q", b"b")


def test_s1_a_refusal_closes_the_channel_and_not_the_connection(
    connection: pika.BlockingConnection,
) -> None:
    channel = connection.channel()
    channel.queue_declare("q")
    with pytest.raises(pika.exceptions.ChannelClosedByBroker) as caught:
        channel.queue_declare("q", durable=True)
    assert caught.value.reply_code == 406
    assert "inequivalent arg 'durable' for queue 'q'" in caught.value.reply_text
    assert channel.is_closed
    assert connection.channel().queue_declare("q", passive=True).method.message_count == 0


def test_s120_a_wrong_password_is_named_as_such(server: RunningServer) -> None:
    parameters = pika.URLParameters(f"amqp://guest:wrong@127.0.0.1:{server.port}/%2F")
    with pytest.raises(pika.exceptions.ProbableAuthenticationError, match="ACCESS_REFUSED"):
        pika.BlockingConnection(parameters)


def test_s121_so_is_an_unknown_virtual_host(server: RunningServer) -> None:
    parameters = pika.URLParameters(f"amqp://guest:guest@127.0.0.1:{server.port}/nowhere")
    with pytest.raises(pika.exceptions.ProbableAccessDeniedError, match="vhost nowhere not found"):
        pika.BlockingConnection(parameters)


def test_s116_a_request_is_answered_directly(url: str, channel: Any) -> None:
    def serve() -> None:
        with pika.BlockingConnection(pika.URLParameters(url)) as connection:
            served = connection.channel()
            _, properties, body = next(served.consume("rpc", auto_ack=True))
            served.basic_publish("", properties.reply_to, body.upper(), properties)

    channel.queue_declare("rpc")
    thread = threading.Thread(target=serve)
    thread.start()
    got: list[tuple[str, bytes]] = []
    channel.basic_consume(
        "amq.rabbitmq.reply-to",
        lambda _channel, _method, properties, body: got.append((properties.correlation_id, body)),
        auto_ack=True,
    )
    properties = pika.BasicProperties(reply_to="amq.rabbitmq.reply-to", correlation_id="7")
    channel.basic_publish("", "rpc", b"hello", properties)
    while not got:
        channel.connection.process_data_events(1)
    thread.join()
    assert got == [("7", b"HELLO")]


def test_s73_a_cancelled_consumer_is_told(channel: Any, broker: Broker) -> None:
    channel.queue_declare("q")
    cancelled: list[str] = []
    channel.add_on_cancel_callback(lambda frame: cancelled.append(frame.method.consumer_tag))
    tag = channel.basic_consume("q", lambda *_: None)
    broker.channel().queue_delete("q")
    while not cancelled:
        channel.connection.process_data_events(1)
    assert cancelled == [tag]


def test_transactions_commit_and_roll_back(channel: Any) -> None:
    channel.queue_declare("q")
    channel.tx_select()
    channel.basic_publish("", "q", b"a")
    channel.tx_rollback()
    channel.basic_publish("", "q", b"b")
    channel.tx_commit()
    assert channel.basic_get("q")[2] == b"b"
    assert channel.basic_get("q") == (None, None, None)


def test_work_done_in_threads_is_acknowledged_in_the_connection_s(
    connection: pika.BlockingConnection, broker: Broker
) -> None:
    channel = connection.channel()
    channel.queue_declare("q")
    done: list[bytes] = []

    def work(method: Any, body: bytes) -> None:
        def acknowledge() -> None:
            channel.basic_ack(method.delivery_tag)
            done.append(body)
            if len(done) == 10:
                channel.stop_consuming()

        connection.add_callback_threadsafe(acknowledge)

    threads: list[threading.Thread] = []

    def on_message(_channel: Any, method: Any, _properties: Any, body: bytes) -> None:
        threads.append(threading.Thread(target=work, args=(method, body)))
        threads[-1].start()

    channel.basic_qos(prefetch_count=3)
    channel.basic_consume("q", on_message)
    for number in range(10):
        channel.basic_publish("", "q", b"%d" % number)
    channel.start_consuming()
    for thread in threads:
        thread.join()
    assert sorted(done) == [b"%d" % number for number in range(10)]
    channel.close()
    assert broker.channel().queue_declare("q", passive=True).message_count == 0


def test_large_bodies_and_headers_come_back_whole(channel: Any) -> None:
    channel.queue_declare("q")
    body = bytes(range(256)) * 8192
    headers = {"text": "é" * 1000, "list": [1, 2**40, None, {"a": True}], "x": b"\0"}
    properties = pika.BasicProperties(headers=headers, delivery_mode=2, app_id="a")
    channel.basic_publish("", "q", body, properties)
    _, got, data = channel.basic_get("q")
    assert (data, got.headers, got.app_id, got.delivery_mode) == (body, headers, "a", 2)


def test_asyncio_s_connection_opens_publishes_consumes_and_closes(url: str) -> None:
    got: list[bytes] = []

    async def converse() -> None:
        loop = asyncio.get_running_loop()
        closed = loop.create_future()

        def on_open(connection: Any) -> None:
            connection.channel(on_open_callback=on_channel)

        def on_channel(channel: Any) -> None:
            channel.confirm_delivery(lambda frame: confirms.append(frame.method.NAME))
            channel.queue_declare("q", callback=lambda _: ready(channel))

        def ready(channel: Any) -> None:
            channel.basic_consume("q", on_message)
            for number in range(3):
                channel.basic_publish("", "q", b"%d" % number)

        def on_message(channel: Any, method: Any, _properties: Any, body: bytes) -> None:
            got.append(body)
            channel.basic_ack(method.delivery_tag)
            if len(got) == 3:
                channel.connection.close()

        confirms: list[str] = []
        AsyncioConnection(
            pika.URLParameters(url),
            on_open_callback=on_open,
            on_close_callback=lambda _, error: closed.set_result(error),
        )
        error = await asyncio.wait_for(closed, 10)
        assert isinstance(error, pika.exceptions.ConnectionClosedByClient)
        assert set(confirms) == {"Basic.Ack"}

    asyncio.run(converse())
    assert got == [b"0", b"1", b"2"]


def test_a_server_that_stops_says_so(url: str, server: RunningServer) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(url))
    stopper = threading.Thread(target=server.close)
    stopper.start()

    def wait() -> None:
        while True:
            connection.process_data_events(1)

    with pytest.raises(pika.exceptions.ConnectionClosedByBroker) as caught:
        wait()
    stopper.join()
    assert caught.value.reply_code == 320
