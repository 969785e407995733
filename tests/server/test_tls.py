"""TLS: encrypted connections, clients known by their certificates, certificates exchanged."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import TYPE_CHECKING, Any

import pika
import pytest
import trustme
from amqp_clients import RawClient

import leveret
from leveret.engine.permissions import Permission, User
from leveret.server import TLSFiles
from leveret.server.tls import user_of

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

    from leveret.server.background import RunningServer


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Make an authority that signs for the server and its clients."""
    return trustme.CA()


@pytest.fixture
def files(authority: trustme.CA, tmp_path: Path) -> TLSFiles:
    """Write the server's certificate, with clients' certificates welcome."""
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    _write_certificate(authority, tmp_path)
    return TLSFiles(tmp_path / "server.pem", ca=tmp_path / "ca.pem")


def _write_certificate(authority: trustme.CA, folder: Path) -> None:
    issued = authority.issue_cert("localhost", "127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")


def _context(authority: trustme.CA, client: trustme.LeafCert | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    if client is not None:
        client.configure_cert(context)
    return context


def _connect(server: RunningServer, context: ssl.SSLContext, stack: ExitStack) -> RawClient:
    plain = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 10))
    return stack.enter_context(RawClient(context.wrap_socket(plain, server_hostname="localhost")))


def test_a_client_connects_over_tls(serve: Any, authority: trustme.CA, files: TLSFiles) -> None:
    server = serve(tls=files)
    assert server.url.startswith("amqps://")
    parameters = pika.URLParameters(server.url)
    parameters.ssl_options = pika.SSLOptions(_context(authority), "localhost")
    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    channel.queue_declare("q")
    big = b"x" * 1_000_000
    channel.basic_publish("", "q", big)
    assert channel.basic_get("q", auto_ack=True)[2] == big
    connection.close()


def test_a_ready_made_context_does_as_well(serve: Any, authority: trustme.CA, stack: Any) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    _connect(serve(tls=context), _context(authority), stack).log_in()


def test_plain_bytes_to_a_tls_port_are_dropped(serve: Any, raw: Any, files: TLSFiles) -> None:
    client = raw(serve(tls=files))
    client.send(b"AMQP\x00\x00\x09\x01")
    assert client.is_closed()


def _client(authority: trustme.CA, name: str, *alternative: str) -> trustme.LeafCert:
    return authority.issue_cert(*alternative or ("client.example",), common_name=name)


@pytest.mark.parametrize(
    ("login_from", "user"),
    [("common_name", "svc"), ("subject_alternative_name", "svc.example")],
)
def test_a_certificate_logs_its_user_in(
    broker: leveret.Broker,
    serve: Any,
    authority: trustme.CA,
    files: TLSFiles,
    stack: Any,
    login_from: Any,
    user: str,
) -> None:
    broker.users.add(User(user))
    broker.users.set_permission(user, "/", Permission())
    tls = TLSFiles(files.certificate, ca=files.ca, login_from=login_from)
    context = _context(authority, _client(authority, "svc", "svc.example"))
    client = _connect(serve(tls=tls), context, stack).log_in("EXTERNAL", b"")
    client.call("queue.declare", queue="mine")
    [connection] = broker.connections
    assert connection.access.user.name == user


@pytest.mark.parametrize("name", [None, "nobody"], ids=["no certificate", "unknown user"])
def test_external_needs_a_certificate_of_a_known_user(
    broker: leveret.Broker,
    serve: Any,
    authority: trustme.CA,
    files: TLSFiles,
    stack: Any,
    name: str | None,
) -> None:
    certificate = None if name is None else _client(authority, name)
    client = _connect(serve(tls=files), _context(authority, certificate), stack)
    with pytest.raises((EOFError, ConnectionError)):
        client.log_in("EXTERNAL", b"")


def test_external_is_offered_to_clients_with_a_certificate_only(
    serve: Any, authority: trustme.CA, files: TLSFiles, stack: Any
) -> None:
    server = serve(tls=files)
    for certificate, offered in ((_client(authority, "svc"), True), (None, False)):
        client = _connect(server, _context(authority, certificate), stack)
        client.send(b"AMQP\x00\x00\x09\x01")
        assert (b"EXTERNAL" in client.method().mechanisms) is offered


def test_with_verify_a_client_without_certificate_is_refused(
    serve: Any, authority: trustme.CA, files: TLSFiles, stack: Any
) -> None:
    server = serve(tls=TLSFiles(files.certificate, ca=files.ca, verify=True))
    _connect(server, _context(authority, _client(authority, "svc")), stack).log_in()
    with pytest.raises((ssl.SSLError, EOFError, ConnectionError)):
        _connect(server, _context(authority), stack).log_in()


def test_certificates_of_another_authority_are_refused(
    serve: Any, authority: trustme.CA, files: TLSFiles, stack: Any
) -> None:
    stranger = _client(trustme.CA(), "svc")
    with pytest.raises((ssl.SSLError, EOFError, ConnectionError)):
        _connect(serve(tls=files), _context(authority, stranger), stack).log_in()


def _serial(client: RawClient) -> str:
    assert isinstance(client.sock, ssl.SSLSocket)
    certificate = client.sock.getpeercert()
    assert certificate is not None
    return str(certificate["serialNumber"])


def _reload(server: RunningServer) -> None:
    work = server._server.reload_tls()
    asyncio.run_coroutine_threadsafe(work, server._server.loop).result(10)


def test_new_certificates_are_for_connections_from_then_on(
    serve: Any, authority: trustme.CA, files: TLSFiles, stack: Any, tmp_path: Path
) -> None:
    server = serve(tls=files)
    old = _connect(server, _context(authority), stack).log_in()
    _write_certificate(authority, tmp_path)
    assert _serial(_connect(server, _context(authority), stack)) == _serial(old)
    _reload(server)
    new = _connect(server, _context(authority), stack).log_in()
    assert _serial(new) != _serial(old)
    assert old.call("queue.declare", queue="q").name == "queue.declare-ok"


def test_certificates_that_cannot_be_read_leave_the_old_ones(
    serve: Any, authority: trustme.CA, files: TLSFiles, stack: Any, tmp_path: Path
) -> None:
    server = serve(tls=files)
    (tmp_path / "server.pem").write_text("no certificate", encoding="utf-8")
    with pytest.raises(ssl.SSLError):
        _reload(server)
    _connect(server, _context(authority), stack).log_in()


def test_a_missing_certificate_keeps_the_server_from_starting(
    broker: leveret.Broker, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        broker.serve(port=0, tls=TLSFiles(tmp_path / "none.pem"))
    assert type(broker) is leveret.Broker


@pytest.mark.parametrize("certificate", [None, {}, {"subject": ((("countryName", "NZ"),),)}])
def test_a_certificate_may_name_nobody(certificate: Any) -> None:
    assert user_of(certificate) is None
    assert user_of(certificate, "subject_alternative_name") is None
