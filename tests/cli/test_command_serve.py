"""`leveret serve` as a process: signals, files, exit statuses."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pika
import pytest
import trustme
from amqp_clients import RawClient
from attrs import define, field

from leveret.cli.serve_setup import WrittenUser

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

TIMEOUT_S = 30
TOPOLOGY = "exchanges: {orders: topic}\nqueues: [billing]\nbindings: ['orders[#] -> billing']\n"


@define
class Process:
    """A server in a process of its own."""

    process: subprocess.Popen[str]
    urls: list[str] = field(factory=list)

    def connect(self, user: str = "guest", virtual_host: str = "") -> pika.BlockingConnection:
        """Connect pika to it."""
        url = self.urls[0].replace("//", f"//{user}:{user}@")
        return pika.BlockingConnection(pika.URLParameters(f"{url}/{virtual_host}"))

    def log_until(self, event: str) -> dict[str, Any]:
        """Read the log, as JSON, until an event; return its entry."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            entry: dict[str, Any] = json.loads(line)
            if entry["event"] == event:
                return entry
        raise AssertionError(f"the log ended without {event!r}")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(TIMEOUT_S)


@pytest.fixture
def serve(folder: Path) -> Iterator[Any]:
    """Return what starts `leveret serve` in a folder and waits until it listens."""
    started: list[subprocess.Popen[str]] = []
    watchdogs: list[threading.Timer] = []

    def start(*arguments: str, listeners: int = 1, env: dict[str, str] | None = None) -> Process:
        process = subprocess.Popen(
            [sys.executable, "-m", "leveret", "serve", "--log-format", "json", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env=os.environ | (env or {}),
        )
        started.append(process)
        # nothing here waits for ever: a line that does not come ends as the end of the file
        watchdog = threading.Timer(TIMEOUT_S, process.kill)
        watchdog.start()
        watchdogs.append(watchdog)
        assert process.stdout is not None
        urls = []
        for _ in range(listeners):
            line = process.stdout.readline()
            assert line.startswith("listening on "), line
            urls.append(line.removeprefix("listening on ").strip())
        return Process(process, urls)

    yield start
    for watchdog in watchdogs:
        watchdog.cancel()
        watchdog.join()
    for process in started:
        with process:
            process.kill()


@pytest.fixture
def topology(folder: Path) -> Path:
    """Write a topology file."""
    path = folder / "topology.yaml"
    path.write_text(TOPOLOGY, encoding="utf-8")
    return path


def test_what_a_file_declares_is_there_for_clients(serve: Any, topology: Path) -> None:
    server = serve(str(topology), "--port", "0")
    connection = server.connect()
    channel = connection.channel()
    channel.basic_publish("orders", "order.paid", b"x")
    assert channel.basic_get("billing")[0].routing_key == "order.paid"
    connection.close()
    assert server.stop() == 0


def test_what_was_confirmed_survives_a_kill(serve: Any, topology: Path, folder: Path) -> None:
    arguments = (str(topology), "--port", "0", "--data", str(folder / "data"))
    server = serve(*arguments)
    connection = server.connect()
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare("more", durable=True)
    persistent = pika.BasicProperties(delivery_mode=2)
    channel.basic_publish("orders", "order.paid", b"kept", persistent)
    server.stop(signal.SIGKILL)
    with pytest.raises(pika.exceptions.AMQPConnectionError):
        connection.close()
    server = serve(*arguments)
    assert server.log_until("recovered")["messages"] == 1
    connection = server.connect()
    channel = connection.channel()
    assert channel.basic_get("billing")[2] == b"kept"
    channel.queue_declare("more", passive=True)
    connection.close()
    assert server.stop() == 0


def test_a_directory_in_use_is_refused_kindly(serve: Any, folder: Path, invoke: Any) -> None:
    serve("--port", "0", "--data", str(folder / "data"))
    result: Result = invoke("serve", "--port", "0", "--data", str(folder / "data"))
    assert result.exit_code == 2
    assert "is in use by another broker: stop it, or name another directory" in result.stderr


def test_without_a_file_it_serves_an_empty_broker(serve: Any) -> None:
    server = serve("--port", "0", "--profile", "3.13", "--user", "svc:svc", "--vhost", "tests")
    connection = server.connect("svc", "tests")
    assert connection._impl.server_properties["version"].startswith("3.13")
    connection.channel().queue_declare("q")
    connection.close()
    server.connect("guest", "tests").close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_and_clients_hear_why(serve: Any, number: int) -> None:
    server = serve("--port", "0")
    connection = server.connect()
    server.process.send_signal(number)
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker, match="shutdown"):
        connection.process_data_events(TIMEOUT_S)
    assert server.process.wait(TIMEOUT_S) == 0
    assert server.log_until("stopping")["signal"] == signal.Signals(number).name


def test_a_second_signal_ends_it_at_once_with_1(serve: Any) -> None:
    server = serve("--port", "0")
    port = int(server.urls[0].rpartition(":")[2])
    with RawClient(socket.create_connection(("127.0.0.1", port))) as silent:
        silent.log_in()  # and never says goodbye
        server.process.send_signal(signal.SIGTERM)
        server.log_until("stopping")
        assert server.stop() == 1


def test_the_ready_file_has_the_urls_while_clients_can_connect(serve: Any, folder: Path) -> None:
    ready, path = folder / "ready", folder / "amqp.sock"
    server = serve(
        "--port", "0", "--ready-file", str(ready), "--unix-socket", str(path), listeners=2
    )
    assert ready.read_text(encoding="utf-8").split() == server.urls
    assert server.urls[1] == f"unix:{path}"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))
    assert server.stop() == 0
    assert [entry.name for entry in folder.iterdir()] == ["shop.yaml"]


def test_a_hang_up_declares_what_is_new_and_logs_what_is_refused(
    serve: Any, topology: Path
) -> None:
    server = serve(str(topology), "--port", "0")
    connection = server.connect()
    channel = connection.channel()
    channel.basic_publish("orders", "order.paid", b"kept")
    topology.write_text(
        "exchanges: {orders: fanout}\nqueues: [shipping]\nvirtual_hosts: {new: {queues: [q]}}\n",
        encoding="utf-8",
    )
    server.process.send_signal(signal.SIGHUP)
    refused = server.log_until("topology refused")
    assert refused["level"] == "error"
    assert refused["position"].endswith("topology.yaml:1:13")
    assert "inequivalent arg 'type' for exchange 'orders'" in refused["reason"]
    assert server.log_until("topology read again")["queues"] == 3
    for queue, messages in (("shipping", 0), ("billing", 1)):
        assert channel.queue_declare(queue, passive=True).method.message_count == messages
    connection.close()
    server.connect("guest", "new").close()


def test_a_hang_up_with_a_broken_file_changes_nothing(serve: Any, topology: Path) -> None:
    server = serve(str(topology), "--port", "0")
    topology.write_text("queues: {", encoding="utf-8")
    server.process.send_signal(signal.SIGHUP)
    server.log_until("topology refused")
    topology.unlink()
    server.process.send_signal(signal.SIGHUP)
    assert server.log_until("topology refused")["reason"] == "the file does not exist"
    connection = server.connect()
    connection.channel().queue_declare("billing", passive=True)
    connection.close()
    assert server.stop() == 0


def test_tls_and_new_certificates_on_a_hang_up(serve: Any, folder: Path) -> None:
    authority = trustme.CA()

    def certify(name: str) -> None:
        issued = authority.issue_cert("localhost", common_name=name)
        issued.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")

    certify("old")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    server = serve("--port", "0", "--tls-cert", "server.pem", "--tls-ca", "ca.pem")
    assert server.urls[0].startswith("amqps://")
    port = int(server.urls[0].rpartition(":")[2])

    def name() -> str:
        import ssl

        context = ssl.create_default_context()
        authority.configure_trust(context)
        with (
            socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as sock,
        ):
            return str(sock.getpeercert()["subject"])  # type: ignore[index]

    assert "'old'" in name()
    certify("new")
    server.process.send_signal(signal.SIGHUP)
    while "'old'" in (seen := name()):
        pass
    assert "'new'" in seen
    (folder / "server.pem").write_text("none", encoding="utf-8")
    server.process.send_signal(signal.SIGHUP)
    server.log_until("certificates not read")


def test_the_loop_of_asyncio_serves_where_uvloop_is_not_installed(serve: Any, folder: Path) -> None:
    hidden = folder / "hidden"
    hidden.mkdir()
    (hidden / "uvloop.py").write_text("raise ImportError('hidden by a test')", encoding="utf-8")
    server = serve("--port", "0", env={"PYTHONPATH": str(hidden)})
    server.connect().close()
    assert server.stop() == 0


# -- what keeps it from starting


def test_a_file_with_faults_is_reported_with_1(invoke: Any, folder: Path) -> None:
    (folder / "bad.yaml").write_text("queues: [q]\nbindings: ['x -> q']\n", encoding="utf-8")
    result: Result = invoke("serve", "bad.yaml", "--port", "0")
    assert result.exit_code == 1
    assert "bad.yaml:2:" in result.stderr


def test_an_address_in_use_is_a_mistake_in_the_command(invoke: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result: Result = invoke("serve", "--port", str(port))
    assert result.exit_code == 2
    assert f"cannot serve on 127.0.0.1:{port}: address already in use" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.yaml"], "'missing.yaml' does not exist"),
        (["--user", "svc"], "write NAME:PASSWORD"),
        (["--memory-limit", "3 elephants"], "unknown unit 'elephants'"),
        (["--tls-key", "shop.yaml"], "--tls-key needs --tls-cert"),
        (["--tls-cert", "shop.yaml"], "cannot speak TLS with shop.yaml"),
        (["--tls-cert", "shop.yaml", "--tls-verify"], "--tls-verify needs --tls-ca"),
        (["--port", "65536"], "65536"),
    ],
)
def test_a_mistake_in_the_command_ends_with_2(
    invoke: Any, arguments: list[str], message: str
) -> None:
    result: Result = invoke("serve", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize(
    ("text", "user"),
    [
        ("svc:pw", WrittenUser("svc", "pw")),
        (
            "svc:pw:monitoring,management",
            WrittenUser("svc", "pw", frozenset({"monitoring", "management"})),
        ),
        ("svc:", WrittenUser("svc", "")),
        ("svc:pw:", WrittenUser("svc", "pw")),
    ],
)
def test_a_user_is_written_with_password_and_tags(text: str, user: WrittenUser) -> None:
    assert WrittenUser.parse(text) == user
    assert "pw" not in repr(WrittenUser.parse(text))


@pytest.mark.parametrize("text", ["", "svc", ":pw", "a:b:c:d"])
def test_a_user_without_name_or_password_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="NAME:PASSWORD"):
        WrittenUser.parse(text)
