"""The two sides: `leveret serve`, and a private RabbitMQ as the comparison tests start it."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click
from attrs import frozen
from judge.node import NodeFailed, private_node

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LEVERET", "RABBITMQ", "Side", "leveret_side", "log_in", "rabbitmq_side"]

LEVERET, RABBITMQ = "leveret", "RabbitMQ"
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_START_TIMEOUT_S = 60


@frozen
class Side:
    """A broker that runs: where, and in which process."""

    name: str
    port: int
    process: int

    def resident_mib(self) -> float:
        """Return the memory that its process takes, in MiB."""
        for line in Path(f"/proc/{self.process}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise click.ClickException(f"{self.name} is gone")

    def cpu_s(self) -> float:
        """Return the processor time that it took, user and system, in seconds."""
        fields = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * _TICK_S


def log_in(port: int) -> bool:
    """Say whether a client can log in at a port, by the bytes alone: no library takes its time."""
    start_ok = _method(
        b"\0\x0a\0\x0b" + b"\0\0\0\0" + b"\x05PLAIN" + b"\0\0\0\x0c\0guest\0guest" + b"\x05en_US"
    )
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as client:
            client.settimeout(5)
            client.sendall(b"AMQP\0\0\x09\x01")
            if not client.recv(65536):
                return False
            client.sendall(start_ok)
            return client.recv(65536)[7:11] == b"\0\x0a\0\x1e"  # connection.tune
    except OSError:
        return False


def _method(payload: bytes) -> bytes:
    return b"\x01\0\0" + len(payload).to_bytes(4, "big") + payload + b"\xce"


@contextlib.contextmanager
def rabbitmq_side() -> Iterator[Side]:
    """Run a private RabbitMQ for as long as the `with` block lasts.

    Raises:
        click.ClickException: it is not installed, or does not start.

    """
    try:
        with private_node() as node:
            yield Side(RABBITMQ, urlsplit(node.url).port or 5672, node.process.pid)
    except NodeFailed as error:
        raise click.ClickException(f"{error}: apt-get install rabbitmq-server") from None


@contextlib.contextmanager
def leveret_side(folder: Path, data: Path | None = None) -> Iterator[Side]:
    """Run `leveret serve` for as long as the `with` block lasts; its log goes to `folder`.

    With `data`, that is its data directory, and what is durable is kept there.
    """
    ready = folder / ("ready-durable" if data else "ready")
    ready.unlink(missing_ok=True)
    command = [sys.executable, "-m", "leveret", "serve", "--port", "0"]
    command += ["--profile", "3.10", "--log-level", "error", "--ready-file", str(ready)]
    if data is not None:
        command += ["--data", str(data)]
    with (folder / "leveret.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not (ready.exists() and ready.read_text().endswith("\n")):
            if process.poll() is not None or time.monotonic() > deadline:
                raise click.ClickException(f"leveret serve did not start, see {folder}")
            time.sleep(0.002)
        yield Side(LEVERET, urlsplit(ready.read_text().split()[0]).port or 5672, process.pid)
    finally:
        process.terminate()
        process.wait()
