"""A private RabbitMQ node: own port, own directories, own epmd, nothing of the machine's touched.

`python tests/comparison/judge/node.py` starts one, prints its URL for `LEVERET_RABBITMQ_URL`, keeps
it until interrupted: for running the comparison many times without paying for the start.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pika
import pika.exceptions
from attrs import define, frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["NodeFailed", "RabbitMQNode", "find_server", "private_node"]

# Debian's wrapper in PATH insists on its own user and log files; this is the script behind it.
SERVER_SCRIPTS = Path("/usr/lib/rabbitmq/bin")
SERVER_USER = "rabbitmq"
START_TIMEOUT_S = 90.0  # a start takes 4 to 7 s on two free cores
STOP_TIMEOUT_S = 20.0
POLL_S = 0.05
#: How often a node is started, and what it says when a port that was free no longer is.
STARTS = 4
PORT_TAKEN = ("eaddrinuse", "dist_port_already_used")

CONFIGURATION = """\
listeners.tcp.1 = 127.0.0.1:{port}
vm_memory_high_watermark.absolute = 64GB
disk_free_limit.absolute = 1MB
log.file.level = warning
"""

TLS_CONFIGURATION = """\
listeners.ssl.1 = 127.0.0.1:{port}
ssl_options.certfile = {folder}/cert.pem
ssl_options.keyfile = {folder}/key.pem
"""


class NodeFailed(Exception):
    """The node did not start; the message ends with what it wrote."""


def find_server() -> Path | None:
    """Return the script that starts RabbitMQ, or `None` where RabbitMQ is not installed."""
    script = SERVER_SCRIPTS / "rabbitmq-server"
    if script.exists():
        return script
    found = shutil.which("rabbitmq-server")
    return Path(found) if found else None


@frozen
class _Ports:
    amqp: int
    distribution: int
    epmd: int
    tls: int


def _free_ports() -> _Ports:
    """Return ports that were free a moment ago."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in attrs.fields(_Ports)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return _Ports(*(each.getsockname()[1] for each in sockets))


@define
class RabbitMQNode:
    """A running node; `url` is where its `guest` user logs in."""

    home: Path
    ports: _Ports
    environment: dict[str, str]  # name -> value, what the node and its tools are run with
    user: str | None
    process: subprocess.Popen[bytes]
    epmd: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """The AMQP URL of the virtual host `/`."""
        return f"amqp://guest:guest@127.0.0.1:{self.ports.amqp}/%2F"

    def ctl(self, *arguments: str) -> str:
        """Run `rabbitmqctl` against this node; return what it printed.

        Raises:
            subprocess.CalledProcessError: it failed.

        """
        return self._run("rabbitmqctl", "--quiet", *arguments)

    def enable_plugins(self, *names: str) -> None:
        """Enable plugins on the running node.

        Raises:
            subprocess.CalledProcessError: there is no such plugin.

        """
        self._run("rabbitmq-plugins", "--quiet", "enable", *names)

    def _run(self, tool: str, *arguments: str) -> str:
        finished = subprocess.run(
            [_tool(tool), *arguments],
            cwd=self.home,
            env=self.environment,
            user=self.user,
            capture_output=True,
            text=True,
            check=False,
        )
        try:
            finished.check_returncode()
        except subprocess.CalledProcessError as error:
            error.add_note(finished.stdout + finished.stderr)
            raise
        return finished.stdout

    def wait_until_ready(self) -> None:
        """Return when a client can log in.

        Raises:
            NodeFailed: the node ended, or is not ready after `START_TIMEOUT_S`.

        """
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise NodeFailed(f"RabbitMQ ended with {self.process.returncode}\n{self._output()}")
            if _accepts_login(self.url):
                return
            time.sleep(POLL_S)
        raise NodeFailed(f"RabbitMQ not ready after {START_TIMEOUT_S:g} s\n{self._output()}")

    def stop(self) -> None:
        """Stop the node and its epmd, and remove its directories."""
        for process in (self.process, self.epmd):
            _end(process)
        shutil.rmtree(self.home, ignore_errors=True)

    def _output(self) -> str:
        return (self.home / "output").read_text(errors="replace")[-4000:]


def _tool(name: str) -> str:
    beside = SERVER_SCRIPTS / name
    return str(beside) if beside.exists() else name


def _accepts_login(url: str) -> bool:
    parameters = pika.URLParameters(url)
    parameters.socket_timeout = parameters.stack_timeout = 5
    try:
        pika.BlockingConnection(parameters).close()
    except (pika.exceptions.AMQPError, OSError):
        return False
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _environment(home: Path, ports: _Ports) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    return {
        "LANG": "C.UTF-8",
        **kept,
        # Erlang keeps its cookie in HOME: here each node has a cookie of its own.
        "HOME": str(home),
        "ERL_EPMD_PORT": str(ports.epmd),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"leveret-{ports.amqp}@localhost",
        "RABBITMQ_NODE_PORT": str(ports.amqp),
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_DIST_PORT": str(ports.distribution),
        "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
        "RABBITMQ_LOG_BASE": str(home / "log"),
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
        "RABBITMQ_CONF_ENV_FILE": str(home / "rabbitmq-env.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
        "RABBITMQ_PID_FILE": str(home / "pid"),
        # Two schedulers that do not spin while they wait: the tests need the processor.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
            "-kernel inet_dist_use_interface {127,0,0,1}"
            " +S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none"
        ),
        # Makes the script become the node, so that the process started here is the node itself.
        "RUNNING_UNDER_SYSTEMD": "true",
    }


def _lay_out(home: Path, ports: _Ports, user: str | None, tls: Path | None) -> None:
    for name in ("mnesia", "log"):
        (home / name).mkdir()
    configuration = CONFIGURATION.format(port=ports.amqp)
    if tls:
        configuration += TLS_CONFIGURATION.format(port=ports.tls, folder=tls)
    (home / "rabbitmq.conf").write_text(configuration)
    (home / "rabbitmq-env.conf").write_text("")
    (home / "enabled_plugins").write_text("[].\n")
    (home / "output").write_text("")
    if user:
        for path in (home, *home.iterdir()):
            shutil.chown(path, user, user)


def _server_user() -> str | None:
    """Return the user to change to: RabbitMQ's own for root, else nobody else."""
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(SERVER_USER)
    except KeyError:
        return None
    return SERVER_USER


def _launch(tls: Path | None) -> RabbitMQNode:
    server = find_server()
    if server is None:
        raise NodeFailed("rabbitmq-server is not installed")
    home = Path(tempfile.mkdtemp(prefix="leveret-rabbitmq-"))
    ports, user = _free_ports(), _server_user()
    _lay_out(home, ports, user, tls)
    environment = _environment(home, ports)
    with (home / "output").open("ab") as output:

        def start(*command: str) -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                command,
                cwd=home,
                env=environment,
                user=user,
                group=user,
                extra_groups=[] if user else None,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

        epmd = start("epmd")
        node = start(str(server))
    return RabbitMQNode(home, ports, environment, user, node, epmd)


@contextlib.contextmanager
def private_node(tls: Path | None = None) -> Iterator[RabbitMQNode]:
    """Run a node for as long as the `with` block lasts.

    `tls`: a folder with `cert.pem` and `key.pem`, for a second port, `ports.tls`.

    Raises:
        NodeFailed: RabbitMQ is not installed or did not start.

    """
    node = _ready_node(tls)
    try:
        yield node
    finally:
        node.stop()


def _ready_node(tls: Path | None, starts_left: int = STARTS) -> RabbitMQNode:
    """Start a node; begin again where another program took one of its ports meanwhile."""
    node = _launch(tls)
    try:
        node.wait_until_ready()
    except BaseException as error:
        node.stop()
        taken = isinstance(error, NodeFailed) and any(word in str(error) for word in PORT_TAKEN)
        if taken and starts_left > 1:
            return _ready_node(tls, starts_left - 1)
        raise
    return node


def main() -> None:
    """Keep a node until interrupted."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with private_node() as node:
        with contextlib.suppress(KeyboardInterrupt):
            print(f"LEVERET_RABBITMQ_URL={node.url}", flush=True)
            print(f"home {node.home}, process {node.process.pid}", file=sys.stderr, flush=True)
            signal.pause()
        # A second signal must not stop the node from being stopped.
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)


if __name__ == "__main__":
    main()
