"""Where a server listens, and how clients get there."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

import pytest
from amqp_clients import RawClient

from leveret.server.addresses import bind_tcp, bind_unix, url_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def closing() -> Iterator[list[socket.socket]]:
    """Collect sockets that are closed at the end."""
    sockets: list[socket.socket] = []
    yield sockets
    for sock in sockets:
        sock.close()


def test_a_host_of_two_addresses_has_one_port(closing: list[socket.socket]) -> None:
    closing += bind_tcp("localhost", 0)
    assert len({sock.getsockname()[1] for sock in closing}) == 1


def test_an_empty_host_is_every_interface(closing: list[socket.socket]) -> None:
    closing += bind_tcp("", 0)
    assert {sock.getsockname()[0] for sock in closing} <= {"0.0.0.0", "::"}
    assert url_of(closing[0], tls=False).startswith("amqp://localhost:")


def test_an_address_that_is_not_this_machines_is_refused() -> None:
    with pytest.raises(OSError, match="assign"):
        bind_tcp("192.0.2.1", 0)


def test_a_port_in_use_is_refused_and_nothing_stays_bound(closing: list[socket.socket]) -> None:
    closing += bind_tcp("127.0.0.1", 0)
    port = closing[0].getsockname()[1]
    with pytest.raises(OSError, match="in use"):
        bind_tcp("127.0.0.1", port)


def test_an_ipv6_address_stands_in_brackets(
    closing: list[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    sock = socket.socket(socket.AF_INET6)
    closing.append(sock)
    monkeypatch.setattr(type(sock), "getsockname", lambda _: ("::1", 5671, 0, 0))
    assert url_of(sock, tls=True) == "amqps://[::1]:5671"


def test_clients_come_over_a_unix_socket_and_its_file_goes_with_the_server(
    serve: Any, tmp_path: Path
) -> None:
    path = tmp_path / "amqp.sock"
    server = serve(unix_socket=path)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))
        client = RawClient(sock).log_in()  # guest may
        assert client.call("queue.declare", queue="q").name == "queue.declare-ok"
        client.call("connection.close", 0)
    server.close()
    assert not path.exists()


def test_a_socket_file_that_nobody_listens_on_is_replaced(
    closing: list[socket.socket], tmp_path: Path
) -> None:
    path = tmp_path / "amqp.sock"
    bind_unix(path).close()
    assert path.exists()
    closing.append(bind_unix(path))
    assert url_of(closing[0], tls=False) == f"unix:{path}"


def test_a_socket_file_in_use_stays_and_so_does_any_other_file(
    closing: list[socket.socket], tmp_path: Path
) -> None:
    path, other = tmp_path / "amqp.sock", tmp_path / "notes.txt"
    closing.append(bind_unix(path))
    other.write_text("keep me", encoding="utf-8")
    for taken in (path, other):
        with pytest.raises(OSError, match="in use"):
            bind_unix(taken)
    assert other.read_text(encoding="utf-8") == "keep me"
    assert os.path.exists(path)
