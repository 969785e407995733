"""Clients that mean ill, one kind at a time: each is told, dropped or held; the others go on."""

from __future__ import annotations

import os
import resource
import select
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from amqp_clients import RawClient, eventually, published
from attrs import frozen

from leveret.properties import Properties
from leveret.server import ServerLimits, TLSFiles
from leveret.wire import Limits
from leveret.wire.frames import (
    FRAME_BODY,
    FRAME_HEADERS,
    FRAME_METHOD,
    HEARTBEAT,
    PROTOCOL_HEADER,
    frame,
    method_frame,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from leveret.server.background import RunningServer

    Connect = Callable[[RunningServer], RawClient]

KIB, MIB = 1024, 1024 * 1024

PUBLISH = method_frame(1, "basic.publish", routing_key="theirs")
GET = method_frame(1, "basic.get", queue="theirs")
ASK = method_frame(1, "queue.declare", queue="theirs", passive=True)


def _header(body_bytes: int, flags: int = 0, properties: bytes = b"") -> bytes:
    """Return a content header that says what it likes."""
    sizes = body_bytes.to_bytes(8, "big") + flags.to_bytes(2, "big")
    return frame(FRAME_HEADERS, 1, b"\0\x3c\0\0" + sizes + properties)


def _table(depth: int) -> bytes:
    """Return a headers table with tables nested in it, as a content header has it."""
    table = b"\x01aI\0\0\0\x01"
    for _ in range(depth):
        table = b"\x01aF" + len(table).to_bytes(4, "big") + table
    return len(table).to_bytes(4, "big") + table


def _many_headers() -> bytes:
    headers: dict[str, Any] = {f"header-{number}": number for number in range(5000)}
    return published("", b"x", "amq.headers", properties=Properties(headers=headers))


@frozen
class Ill:
    """What a client sends once it is logged in, and the code that it is sent away with, if any."""

    data: bytes
    times: int = 1
    code: int | None = None


HOSTILE = {
    "noise": Ill(bytes(range(256)) * 40, code=501),
    "a frame that claims 4 GiB": Ill(b"\x01\0\x01\xff\xff\xff\xff" + bytes(1000), code=501),
    "half a frame": Ill(method_frame(1, "basic.qos")[:-3]),
    "heartbeats": Ill(HEARTBEAT * 1000, times=50),
    "methods for a client": Ill(method_frame(1, "basic.get-empty") * 1000, code=503),
    "channels without end": Ill(
        b"".join(method_frame(number, "channel.open") for number in range(2, 2050)), code=530
    ),
    "channels opened and closed": Ill(
        (method_frame(2, "channel.open") + method_frame(2, "channel.close")) * 1000, times=10
    ),
    "5000 headers in each message": Ill(_many_headers(), times=50),
    "headers nested 9000 deep": Ill(PUBLISH + _header(0, 0x2000, _table(9000)), code=541),
    "arguments nested 9000 deep": Ill(
        frame(FRAME_METHOD, 1, b"\0\x32\0\x0a\0\0\x01q\0" + _table(9000)), code=501
    ),
    "a headers table that lies": Ill(PUBLISH + _header(0, 0x2000, b"\xff\xff\xff\xff"), code=541),
    "a body shorter than it says": Ill(
        PUBLISH + _header(1000) + frame(FRAME_BODY, 1, b"x" * 999) + ASK, code=505
    ),
    "a body longer than it says": Ill(
        PUBLISH + _header(10) + frame(FRAME_BODY, 1, b"x" * 11), code=505
    ),
    "a body where none was said": Ill(PUBLISH + _header(0) + frame(FRAME_BODY, 1, b"x"), code=505),
    "a body without end": Ill(
        PUBLISH + _header(2**63) + frame(FRAME_BODY, 1, bytes(100_000)) * 100
    ),
    "bodies never finished": Ill((PUBLISH + _header(10**6)) * 2, code=505),
    "empty body frames without end": Ill(
        PUBLISH + _header(5) + frame(FRAME_BODY, 1, b"") * 1000, times=1
    ),
    "messages without end": Ill(published("theirs", b"x" * 100) * 1000, times=100),
    "questions whose answers are not read": Ill(ASK * 1000, times=100),
    "messages asked for and not read": Ill(published("theirs", b"x" * 10_000) + GET * 50, 200),
    "consumers started and cancelled": Ill(
        (
            method_frame(1, "basic.consume", queue="theirs", consumer_tag="t", nowait=True)
            + method_frame(1, "basic.cancel", consumer_tag="t", nowait=True)
        )
        * 500,
        times=20,
    ),
    "the same message put back for ever": Ill(
        published("theirs") + (GET + method_frame(1, "basic.recover", requeue=True)) * 500, 20
    ),
}


@pytest.fixture
def limits() -> ServerLimits:
    """Make limits that these clients meet soon."""
    connection = Limits(output_high=64 * KIB, output_low=16 * KIB, output_stop=256 * KIB)
    return ServerLimits(connection=connection)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_client_is_told_or_held_and_the_others_are_served(
    broker: Any, serve: Any, raw: Connect, stack: ExitStack, limits: ServerLimits, name: str
) -> None:
    ill = HOSTILE[name]
    server = serve(limits=limits)
    broker.queue_declare("theirs", arguments={"x-max-length": 100})
    other, hostile = raw(server).log_in(), raw(server).log_in()
    other.call("queue.declare", queue="ours")

    def send() -> None:
        with suppress(OSError):  # it is dropped, or the test is over
            for _ in range(ill.times):
                hostile.send(ill.data)

    sending = threading.Thread(target=send)
    stack.callback(sending.join)
    stack.callback(hostile.sock.close)
    stack.callback(lambda: _shut(hostile.sock))
    sending.start()
    for number in range(50):
        other.send(published("ours", b"%d" % number))
        assert other.call("basic.get", queue="ours", no_ack=True).name == "basic.get-ok"
    if ill.code is not None:
        assert hostile.until("connection.close").reply_code == ill.code
    assert other.call("queue.declare", queue="ours", passive=True).message_count == 0
    with server.lock:
        for connection in server.server._clients:
            assert len(connection._rest) < 512 * KIB
            assert connection.unsent < MIB


def _shut(sock: socket.socket) -> None:
    """End a socket's sending, also where another thread is in the midst of it."""
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


# -- slow, or half gone


def _drips(sock: socket.socket, data: bytes) -> bool:
    """Send a byte every now and then; say whether the server ends it."""
    for at in range(len(data)):
        with suppress(OSError):
            sock.send(data[at : at + 1])
        if select.select([sock], [], [], 0.02)[0]:
            try:
                if not sock.recv(65536):
                    return True
            except ConnectionError:
                return True
    return False


@pytest.mark.parametrize("behind", ["the header", "start-ok"])
def test_a_client_that_drips_its_handshake_is_let_go(serve: Any, raw: Connect, behind: str) -> None:
    """Each byte comes in time, and all of them would take minutes."""
    server = serve(limits=ServerLimits(handshake_s=0.3))
    client = raw(server)
    if behind == "start-ok":
        client.send(PROTOCOL_HEADER)
    data = method_frame(0, "connection.start-ok", client_properties={"x": "x" * 5000})
    assert _drips(client.sock, data if behind == "start-ok" else PROTOCOL_HEADER[:7] * 1000)
    eventually(lambda: not server.server._clients, server)


def test_a_client_that_drips_its_tls_handshake_is_let_go(
    serve: Any, raw: Connect, tmp_path: Path
) -> None:
    pem = tmp_path / "server.pem"
    trustme.CA().issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(pem)
    server = serve(limits=ServerLimits(handshake_s=0.3), tls=TLSFiles(pem))
    assert _drips(raw(server).sock, b"\x16\x03\x01\x40\x00" + bytes(5000))


def test_what_came_before_half_a_socket_was_closed_is_done(
    broker: Any, serve: Any, raw: Connect
) -> None:
    server = serve()
    client = raw(server).log_in()
    broker.queue_declare("q")
    client.send(published("q", b"x") * 100)
    client.sock.shutdown(socket.SHUT_WR)
    assert client.is_closed()
    eventually(lambda: not server.server._clients, server)
    assert broker.queue_declare("q", passive=True).message_count == 100


def test_sockets_reset_at_any_moment_leave_nothing_behind(
    broker: Any, serve: Any, raw: Connect
) -> None:
    server = serve()
    broker.queue_declare("q")
    for number in range(60):
        client = raw(server)
        # closing sends a reset instead of an end
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        if number % 3:
            client.log_in()
            client.send(method_frame(1, "basic.consume", queue="q") + published("q")[: 10 * number])
        client.sock.close()
    eventually(lambda: not server.server._clients, server)
    assert not broker.virtual_hosts["/"].queues["q"].unacked
    broker.check()


# -- many


IDLE = """
import socket, sys
from pathlib import Path
from amqp_clients import log_in_at_once
port, count = int(sys.argv[1]), int(sys.argv[2])
sockets = []
for at in range(0, count, 200):
    batch = [socket.create_connection(("127.0.0.1", port)) for _ in range(min(200, count - at))]
    for sock in batch:
        sock.sendall(log_in_at_once())
    for sock in batch:
        answer = b""
        while b"\\0\\x0a\\0\\x29" not in answer:
            answer += sock.recv(4096)
    sockets += batch
print("idle", flush=True)
sys.stdin.read()
"""


def test_ten_thousand_idle_connections_cost_little_and_leave_nothing(
    broker: Any, serve: Any, raw: Connect, stack: ExitStack
) -> None:
    count = min(10_000, _files_allowed() - 1000)
    server = serve(limits=ServerLimits(handshake_s=300))
    other = raw(server).log_in()
    before = _resident_bytes()
    command = [sys.executable, "-c", IDLE, str(server.port), str(count)]
    support = Path(__file__).parent / "support"
    idle = stack.enter_context(
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(support)},
        )
    )
    assert idle.stdin is not None
    assert idle.stdout is not None
    assert idle.stdout.readline() == b"idle\n"
    with server.lock:
        assert len(server.server._clients) == count + 1
    assert (_resident_bytes() - before) / count < 40 * KIB
    for number in range(50):
        other.send(published("amq.gen", b"%d" % number))
        assert other.call("queue.declare", queue="ours").name == "queue.declare-ok"
    # they all go at once
    idle.stdin.close()
    idle.wait()
    eventually(lambda: len(server.server._clients) == 1, server)
    assert other.call("queue.declare", queue="ours").name == "queue.declare-ok"


def _files_allowed() -> int:
    """Raise the number of files that this process, and those it starts, may open; return it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 12_000 if hard == resource.RLIM_INFINITY else min(12_000, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()
