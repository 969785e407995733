"""Clients that do not read, or do not stop: bounded memory, and the others go on."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest
from amqp_clients import RawClient, eventually, published

from leveret.server import ServerLimits
from leveret.wire import Limits, State
from leveret.wire.frames import HEARTBEAT, OVERHEAD, method_frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from leveret.server.background import RunningServer
    from leveret.server.transport import ClientTransport

    Connect = Callable[[RunningServer], RawClient]

KIB = 1024
SMALL = ServerLimits(
    connection=Limits(output_high=64 * KIB, output_low=16 * KIB, output_stop=256 * KIB)
)


def _clients(server: RunningServer) -> list[ClientTransport]:
    """Return the server's side of its clients, in the order in which they came."""
    with server.lock:
        return list(server._server._clients.values())


# -- consumers that do not read


def test_a_consumer_that_does_not_read_holds_a_bounded_part_of_the_queue(
    broker: Any, serve: Any, raw: Connect
) -> None:
    server = serve(limits=SMALL)
    client = raw(server).log_in()
    broker.queue_declare("q")
    for number in range(5000):
        broker.basic_publish("", "q", b"%05d" % number + b"x" * (10 * KIB))
    client.call("basic.consume", queue="q", consumer_tag="slow", no_ack=True)
    [transport] = _clients(server)
    queue = broker.virtual_hosts["/"].queues["q"]
    eventually(lambda: transport.connection._paused, server)
    with server.lock:
        assert transport.connection.unsent < SMALL.connection.output_high + 20 * KIB
        left = len(queue.ready)
    assert left > 3000  # the rest is in the buffers of the two sockets
    for number in range(5000):
        assert client.method().name == "basic.deliver"
        client.read_frame()
        assert client.read_frame()[2].startswith(b"%05d" % number)
    assert not queue.ready


def test_a_consumer_that_does_not_read_leaves_the_queue_to_the_others(
    broker: Any, serve: Any, raw: Connect
) -> None:
    server = serve(limits=SMALL)
    slow, quick = raw(server).log_in(), raw(server).log_in()
    # or the system's buffers grow until all of it fits in
    slow.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * KIB)
    broker.queue_declare("q")
    slow.call("basic.consume", queue="q", consumer_tag="slow", no_ack=True)
    stuck = _clients(server)[0].connection
    queue = broker.virtual_hosts["/"].queues["q"]
    for _ in range(3000):  # more than the buffers of two sockets hold
        broker.basic_publish("", "q", b"x" * (10 * KIB))
    left: list[int] = []

    def stuck_for_good() -> bool:
        """Say whether the buffers are full: for twenty looks now, nothing has left the queue."""
        left.append(len(queue.ready))
        return stuck._paused and left[-20:] == [left[-1]] * 20 and left[-1] > 0

    eventually(stuck_for_good, server)
    broker.queue_purge("q")
    quick.call("basic.consume", queue="q", consumer_tag="quick", no_ack=True)
    for _ in range(100):
        broker.basic_publish("", "q", b"for the other")
        assert quick.method().name == "basic.deliver"


def test_a_client_that_asks_and_never_reads_is_not_read_either(
    broker: Any, serve: Any, raw: Connect
) -> None:
    server = serve(limits=SMALL)
    client, other = raw(server).log_in(), raw(server).log_in()
    broker.queue_declare("q")
    for _ in range(2000):
        broker.basic_publish("", "q", b"x" * (10 * KIB))
    asked = 1500
    client.send(method_frame(1, "basic.get", queue="q", no_ack=False) * asked)
    transport = _clients(server)[0]
    eventually(lambda: not transport._reading, server)
    with server.lock:
        # one turn's worth of answers may come on top
        assert transport.connection.unsent < 64 * 1024 * KIB
    assert other.call("queue.declare", queue="q", passive=True).name == "queue.declare-ok"
    for _ in range(asked):
        assert client.method().name == "basic.get-ok"
    client.send(published("q", b"is read again"))
    assert client.call("queue.declare", queue="q", passive=True).name == "queue.declare-ok"


# -- publishers that do not stop


@pytest.fixture
def limited() -> ServerLimits:
    """Make limits that a hundred messages of 10 KiB exceed."""
    return ServerLimits(memory_bytes=1024 * KIB)


def _fill(broker: Any, server: RunningServer) -> None:
    broker.queue_declare("q")
    for _ in range(120):
        broker.basic_publish("", "q", b"x" * (10 * KIB))
    server.server.loop.call_soon_threadsafe(server.server._measure_again)
    eventually(lambda: server.server.alarm.ringing, server)


def test_s125_a_publisher_is_told_and_not_read_until_memory_is_free(
    broker: Any, serve: Any, raw: Connect, limited: ServerLimits
) -> None:
    server = serve(limits=limited)
    publisher = raw(server).log_in(connection__blocked=True)
    consumer = raw(server).log_in(connection__blocked=True)
    _fill(broker, server)
    publisher.send(published("q", b"the first still passes"))
    blocked = publisher.method()
    assert (blocked.name, blocked.reason) == ("connection.blocked", "low on memory")
    publisher.send(published("q", b"the second waits") + HEARTBEAT)
    transport = _clients(server)[0]
    with server.lock:
        assert not transport._reading
        assert len(broker.virtual_hosts["/"].queues["q"].ready) == 121
    # consumers go on, and free what is held
    purged = consumer.call("queue.purge", queue="q")
    assert (purged.name, purged.message_count) == ("queue.purge-ok", 121)
    assert publisher.method().name == "connection.unblocked"
    eventually(lambda: len(broker.virtual_hosts["/"].queues["q"].ready) == 1, server)


def test_s125_a_client_that_did_not_announce_it_is_stopped_without_a_word(
    broker: Any, serve: Any, raw: Connect, limited: ServerLimits
) -> None:
    server = serve(limits=limited)
    publisher = raw(server).log_in()
    _fill(broker, server)
    publisher.send(published("q", b"passes"))
    transport = _clients(server)[0]
    eventually(lambda: not transport._reading, server)
    publisher.send(published("q", b"waits") + method_frame(1, "basic.get", queue="q"))
    broker.queue_purge("q")
    assert publisher.method().name == "basic.get-ok"


def test_s125_who_comes_while_memory_is_short_is_stopped_at_the_first_publish(
    broker: Any, serve: Any, raw: Connect, limited: ServerLimits
) -> None:
    server = serve(limits=limited)
    _fill(broker, server)
    late = raw(server).log_in(connection__blocked=True)
    assert late.call("queue.declare", queue="mine").name == "queue.declare-ok"
    late.send(published("mine"))
    assert late.method().name == "connection.blocked"


def test_s125_clients_that_never_publish_are_told_nothing(
    broker: Any, serve: Any, raw: Connect, limited: ServerLimits
) -> None:
    server = serve(limits=limited)
    consumer = raw(server).log_in(connection__blocked=True)
    _fill(broker, server)
    broker.queue_purge("q")
    eventually(lambda: not server._server.alarm.ringing, server)
    assert consumer.call("queue.declare", queue="q", passive=True).name == "queue.declare-ok"


def test_a_publisher_that_is_not_read_is_not_taken_for_dead(
    broker: Any, serve: Any, raw: Connect, limited: ServerLimits
) -> None:
    server = serve(limits=limited)
    publisher = raw(server).log_in(connection__blocked=True, heartbeat=2)
    _fill(broker, server)
    publisher.send(published("q"))
    assert publisher.method().name == "connection.blocked"
    [transport] = _clients(server)
    with server.lock:
        for second in range(100):
            transport.tick(second)
        assert transport.connection.state is State.RUNNING
    broker.queue_purge("q")
    assert publisher.method().name == "connection.unblocked"


def test_a_stopped_publisher_hears_that_the_server_ends(
    broker: Any, serve: Any, raw: Connect, limited: ServerLimits
) -> None:
    server = serve(limits=limited)
    publisher = raw(server).log_in(connection__blocked=True)
    _fill(broker, server)
    publisher.send(published("q"))
    assert publisher.method().name == "connection.blocked"
    # its answer waits in the socket already, behind what is not read
    publisher.send(published("q") + method_frame(0, "connection.close-ok"))
    server.close()
    assert publisher.until("connection.close").reply_code == 320


# -- one client's input does not hold up the others


def test_dear_input_of_one_client_is_worked_off_in_turns(
    broker: Any, serve: Any, raw: Connect
) -> None:
    """Each publish goes to 500 queues; two thousand of them are far more than one turn."""
    server = serve(limits=ServerLimits(turn_s=0.002))
    greedy, other = raw(server).log_in(), raw(server).log_in()
    broker.exchange_declare("all", "fanout")
    for number in range(500):
        broker.queue_declare(f"q{number}", arguments={"x-max-length": 1})
        broker.queue_bind(f"q{number}", "all")
    burst = published("", b"x", "all") * 2000
    greedy.send(burst)
    counts = []
    transport = _clients(server)[0]
    published_of = broker.virtual_hosts["/"].published
    while True:
        other.call("queue.declare", queue="q0", passive=True)
        with server.lock:
            counts.append(published_of["all"])
            behind = transport.connection.behind
        if counts[-1] == 2000:
            break
    assert not behind
    # the other was answered again and again in between
    assert len({count for count in counts if 0 < count < 2000}) > 5


def test_what_is_put_off_is_not_lost_when_the_client_goes(
    broker: Any, serve: Any, raw: Connect
) -> None:
    server = serve(limits=ServerLimits(turn_s=0))
    client = raw(server).log_in()
    broker.queue_declare("q")
    client.send(published("q", b"x") * 2000 + method_frame(0, "connection.close"))
    assert client.method().name == "connection.close-ok"
    assert broker.queue_declare("q", passive=True).message_count == 2000


def test_unfinished_messages_on_many_channels_are_bounded(
    broker: Any, serve: Any, raw: Connect
) -> None:
    limits = ServerLimits(connection=Limits(unfinished_max=1024 * KIB))
    client = raw(serve(limits=limits)).log_in()
    body = b"x" * 100_050
    for channel in range(2, 13):
        assert client.call("channel.open", channel).name == "channel.open-ok"
        begun = published("q", body, channel=channel)
        client.send(begun[: -50 - OVERHEAD])  # all but the last frame
    closed = client.method()
    assert (closed.name, closed.reply_code) == ("connection.close", 506)
    assert closed.reply_text == "RESOURCE_ERROR - unfinished messages of more than 1048576 bytes"
