"""Who gets in, how long it may take, and from where."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest
import uvloop
from amqp_clients import RawClient, eventually

from leveret.engine.permissions import Permission, User, hash_password
from leveret.server import Server, ServerLimits
from leveret.server.admission import Admission
from leveret.server.transport import ClientTransport
from leveret.wire import State
from leveret.wire.frames import PROTOCOL_HEADER, method_frame

if TYPE_CHECKING:
    from collections.abc import Callable

    import leveret
    from leveret.server.background import RunningServer

    Connect = Callable[[RunningServer], RawClient]


# -- numbers of connections, time to log in


def test_one_connection_more_than_allowed_is_turned_away(
    serve: Any, raw: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(limits=ServerLimits(connections=2))
    first, _ = raw(server).log_in(), raw(server).log_in()
    assert raw(server).is_closed()
    assert caplog.records[-1].fields["reason"] == "the limit of 2 connections is reached"  # type: ignore[attr-defined]
    first.sock.close()
    eventually(lambda: len(server._server._clients) == 1, server)
    raw(server).log_in()


@pytest.mark.parametrize("sent", [b"", b"AMQ", PROTOCOL_HEADER], ids=["nothing", "part", "header"])
def test_a_client_that_does_not_log_in_is_let_go(serve: Any, raw: Connect, sent: bytes) -> None:
    client = raw(serve(limits=ServerLimits(handshake_s=0.05)))
    client.send(sent)
    assert client.is_closed()


def test_a_client_that_logged_in_may_be_silent_for_longer(serve: Any, raw: Connect) -> None:
    server = serve(limits=ServerLimits(handshake_s=0.3))
    client, late = raw(server).log_in(), raw(server)
    assert late.is_closed()  # the time is over
    assert client.call("queue.declare", queue="q").name == "queue.declare-ok"


def test_hundreds_of_clients_that_say_nothing_leave_the_server_to_the_others(
    serve: Any, raw: Connect
) -> None:
    server = serve(limits=ServerLimits(handshake_s=0.5))
    silent = [raw(server) for _ in range(400)]
    assert raw(server).log_in().call("queue.declare", queue="q").name == "queue.declare-ok"
    assert all(client.is_closed() for client in silent)
    eventually(lambda: len(server._server._clients) == 1, server)


def test_something_else_than_amqp_is_shown_the_protocol_and_closed(
    serve: Any, raw: Connect
) -> None:
    client = raw(serve())
    client.send(b"GET / HTTP/1.1\r\n\r\n")
    assert client.sock.recv(100) == PROTOCOL_HEADER
    assert client.is_closed()


# -- refused logins


def _refused(client: RawClient) -> bool:
    client.send(PROTOCOL_HEADER)
    client.method()
    client.send(
        method_frame(
            0,
            "connection.start-ok",
            client_properties={},
            mechanism="PLAIN",
            response=b"\0guest\0wrong",
            locale="en_US",
        )
    )
    return client.is_closed()


def test_an_address_that_guesses_passwords_is_closed_out_for_a_while(
    serve: Any, raw: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    limits = ServerLimits(login_failures=3, login_pause_s=0.2)
    server = serve(limits=limits)
    there_before = raw(server).log_in()
    assert all(_refused(raw(server)) for _ in range(3))
    assert raw(server).is_closed()
    assert caplog.records[-1].fields["reason"] == "3 logins from 127.0.0.1 were refused"  # type: ignore[attr-defined]
    assert there_before.call("queue.declare", queue="q").name == "queue.declare-ok"
    eventually(lambda: not server._server.refusal("127.0.0.1"), server)
    raw(server).log_in()


class _Time:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_refused_logins_count_within_their_window_and_until_one_succeeds() -> None:
    time = _Time()
    admission = Admission(ServerLimits(login_failures=3, login_window_s=60, login_pause_s=10), time)

    def fail(times: int) -> None:
        for _ in range(times):
            admission.login_refused("192.0.2.1")

    fail(2)
    admission.logged_in("192.0.2.1")
    fail(2)
    assert not admission.refusal("192.0.2.1", 0)
    time.now_s += 61
    fail(2)
    assert not admission.refusal("192.0.2.1", 0)
    fail(1)
    assert admission.refusal("192.0.2.1", 0) == "3 logins from 192.0.2.1 were refused"
    assert not admission.refusal("192.0.2.2", 0)
    time.now_s += 9
    fail(1)
    time.now_s += 9
    assert admission.refusal("192.0.2.1", 0)  # the pause began anew
    time.now_s += 1
    assert not admission.refusal("192.0.2.1", 0)


def test_refused_logins_are_remembered_of_so_many_addresses_only() -> None:
    admission = Admission(ServerLimits(login_failures=1), _Time(), addresses_kept=100)
    for number in range(1000):
        admission.login_refused(f"192.0.2.{number}")
    assert len(admission._failures) == 100
    assert admission.refusal("192.0.2.999", 0)


def test_clients_on_a_unix_socket_are_not_closed_out() -> None:
    admission = Admission(ServerLimits(login_failures=1), _Time())
    admission.login_refused("")
    assert not admission.refusal("", 0)


# -- who may come from where


class _FakeTransport(asyncio.Transport):
    """A socket whose other end is at an address of the test's choice."""

    def __init__(self, peername: object) -> None:
        super().__init__({"peername": peername})
        self.written = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close


@pytest.mark.parametrize(
    ("peername", "user", "let_in"),
    [
        (("127.0.0.1", 1), "guest", True),
        (("127.8.8.8", 1), "guest", True),
        (("::1", 1, 0, 0), "guest", True),
        ("", "guest", True),  # a Unix socket
        (("192.0.2.7", 1), "guest", False),
        (("2001:db8::7", 1, 0, 0), "guest", False),
        (("192.0.2.7", 1), "svc", True),
    ],
)
def test_guest_comes_only_from_this_machine(
    broker: leveret.Broker, peername: object, user: str, let_in: bool
) -> None:
    broker.users.add(User("svc", hash_password("svc", broker.random)))
    broker.users.set_permission("svc", "/", Permission())

    async def log_in() -> _FakeTransport:
        server = Server(broker)
        await server.start(port=0)
        client, transport = ClientTransport(server, 1), _FakeTransport(peername)
        client.connection_made(transport)
        client.data_received(PROTOCOL_HEADER)
        start_ok = method_frame(
            0,
            "connection.start-ok",
            client_properties={"capabilities": {"authentication_failure_close": True}},
            mechanism="PLAIN",
            response=f"\0{user}\0{user}".encode(),
            locale="en_US",
        )
        client.data_received(start_ok)
        client.flush()
        client.connection_lost(None)
        await server.stop()
        return transport

    written = asyncio.run(log_in()).written
    assert (b"\x00\x0a\x00\x1e" in written) is let_in  # connection.tune
    assert (b"ACCESS_REFUSED" in written) is not let_in


def test_anonymous_is_offered_only_where_it_is_asked_for(
    broker: leveret.Broker, raw: Connect
) -> None:
    async def offered(server: Server) -> bytes:
        port = await server.start(port=0)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(PROTOCOL_HEADER)
        head = await reader.readexactly(7)
        start = await reader.readexactly(int.from_bytes(head[3:7], "big"))
        writer.close()
        await server.stop()
        return start

    assert b"ANONYMOUS" not in asyncio.run(offered(Server(broker)))
    assert b"ANONYMOUS" in asyncio.run(offered(Server(broker, anonymous=True)))


def test_who_comes_and_goes_is_logged(
    serve: Any, raw: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "leveret.server"):
        server = serve()
        with raw(server).log_in() as client:
            client.call("connection.close", 0)
        eventually(lambda: not server._server._clients, server)
        raw(server).log_in().sock.close()
        eventually(lambda: len(caplog.records) == 5, server)
    events = [(r.levelname, r.message, r.fields.get("reason")) for r in caplog.records]  # type: ignore[attr-defined]
    assert events == [
        ("INFO", "listening", None),
        ("INFO", "client logged in", None),
        ("INFO", "client gone", None),
        ("INFO", "client logged in", None),
        ("WARNING", "client gone", "client closed the socket unexpectedly"),
    ]
    assert caplog.records[1].fields["user"] == "guest"  # type: ignore[attr-defined]
    assert caplog.records[1].fields["virtual_host"] == "/"  # type: ignore[attr-defined]


def test_half_open_sockets_are_found_by_their_silence(serve: Any, raw: Connect) -> None:
    server = serve()
    client = raw(server).log_in(heartbeat=2)
    with server.lock:
        [transport] = server._server._clients.values()
    for second in range(5):  # something came before the first
        server._server.loop.call_soon_threadsafe(transport.tick, second)
    with pytest.raises((EOFError, ConnectionResetError)):
        client.until("nothing")


def test_heartbeats_keep_a_silent_client(serve: Any, raw: Connect) -> None:
    server = serve()
    client = raw(server).log_in(heartbeat=2)
    with server.lock:
        [transport] = server._server._clients.values()
    for second in range(10):
        client.send(b"\x08\x00\x00\x00\x00\x00\x00\xce")
        eventually(lambda: transport.connection.received > transport._received_before, server)
        with server.lock:
            transport.tick(second)
    assert client.call("queue.declare", queue="q").name == "queue.declare-ok"


def test_the_server_sends_heartbeats_to_who_asked_for_them(serve: Any, raw: Connect) -> None:
    server = serve()
    client, other = raw(server).log_in(heartbeat=2), raw(server).log_in(heartbeat=0)
    with server.lock:
        transports = list(server._server._clients.values())
        for second in range(1000):
            transports[1].tick(second)
        assert not transports[1].connection.out
        assert transports[1].connection.state is State.RUNNING
    server._server.loop.call_soon_threadsafe(transports[0].tick, 0)
    assert client.read_frame() == (8, 0, b"")
    assert other.call("queue.declare", queue="q").name == "queue.declare-ok"


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_half_open_sockets_without_heartbeats_are_left_to_tcp(
    broker: leveret.Broker, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """Clients that switch heartbeats off are many; the system asks after them."""

    async def kept_alive() -> bool:
        server = Server(broker)
        port = await server.start(port=0)
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        while not server._clients:
            await asyncio.sleep(0)
        [client] = server._clients.values()
        assert client.transport is not None
        sock = client.transport.get_extra_info("socket")
        found = bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
        writer.close()
        await server.stop()
        return found

    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(kept_alive())


def test_what_waits_for_a_client_is_written_before_the_goodbye(
    broker: leveret.Broker, serve: Any, raw: Connect
) -> None:
    server = serve()
    client = raw(server).log_in()
    broker.queue_declare("q")
    for _ in range(20):
        broker.basic_publish("", "q", b"x" * 100_000)
    client.call("basic.consume", queue="q", no_ack=True)
    closing = threading.Thread(target=server.close)
    closing.start()
    heard = [client.method().name for _ in range(21)]
    assert heard == ["basic.deliver"] * 20 + ["connection.close"]
    client.send(method_frame(0, "connection.close-ok"))
    assert client.is_closed()
    closing.join()


def test_a_client_that_never_answers_a_close_is_dropped(serve: Any, raw: Connect) -> None:
    client = raw(serve(limits=ServerLimits(closing_s=0.05))).log_in()
    closed = client.call("channel.open", 1)
    assert (closed.name, closed.reply_code) == ("connection.close", 504)
    assert client.is_closed()


def test_a_client_that_never_reads_the_end_is_dropped(
    broker: leveret.Broker, serve: Any, raw: Connect
) -> None:
    server = serve(limits=ServerLimits(closing_s=0.05))
    client = raw(server)
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.log_in()
    broker.queue_declare("q")
    for _ in range(2000):
        broker.basic_publish("", "q", b"x" * 10_000)
    client.send(method_frame(1, "basic.consume", queue="q", no_ack=True))
    client.send(method_frame(0, "connection.close"))
    eventually(lambda: not server._server._clients, server)


def test_a_client_whose_output_fails_leaves_the_others_theirs(
    broker: leveret.Broker, serve: Any, raw: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve()
    clients = [raw(server).log_in() for _ in range(3)]
    broker.exchange_declare("all", "fanout")
    for number, client in enumerate(clients):
        client.call("queue.declare", queue=f"q{number}")
        client.call("queue.bind", queue=f"q{number}", exchange="all")
        client.call("basic.consume", queue=f"q{number}", no_ack=True)

    def fail() -> None:
        raise ZeroDivisionError

    with server.lock:
        monkeypatch.setattr(list(server._server._clients.values())[1], "flush", fail)
    broker.basic_publish("all", "", b"for each")
    assert clients[0].method().name == "basic.deliver"
    assert clients[2].method().name == "basic.deliver"
