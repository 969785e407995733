"""The brokers that tests are run on: RabbitMQ on a private node, and `leveret serve`."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING

import trustme
from attrs import frozen
from judge.node import private_node

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Address", "leveret", "rabbitmq"]

START_TIMEOUT_S = 30


@frozen
class Address:
    """Where a broker listens on this machine, in the clear and with TLS."""

    port: int
    tls_port: int
    host: str = "127.0.0.1"

    @property
    def url(self) -> str:
        """The URL of the virtual host `/`."""
        return f"amqp://guest:guest@{self.host}:{self.port}/%2F"


@contextlib.contextmanager
def _certificate() -> Iterator[Path]:
    """Give a folder with a certificate, `cert.pem`, and its key, `key.pem`."""
    with tempfile.TemporaryDirectory(prefix="leveret-upstream-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        certificate = trustme.CA().issue_cert("localhost", "127.0.0.1")
        certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
        for pem in certificate.cert_chain_pems:
            pem.write_to_path(str(folder / "cert.pem"), append=True)
        (folder / "key.pem").chmod(0o644)
        yield folder


@contextlib.contextmanager
def rabbitmq() -> Iterator[Address]:
    """Run a private RabbitMQ node.

    Raises:
        NodeFailed: RabbitMQ is not installed or did not start.

    """
    with _certificate() as folder, private_node(tls=folder) as node:
        yield Address(node.ports.amqp, node.ports.tls)


@contextlib.contextmanager
def leveret(profile: str) -> Iterator[Address]:
    """Run `leveret serve`, twice: in the clear and with TLS."""
    with _certificate() as folder:
        tls = ["--tls-cert", str(folder / "cert.pem"), "--tls-key", str(folder / "key.pem")]
        with (
            _serving(folder, "plain", profile) as port,
            _serving(folder, "tls", profile, *tls) as tls_port,
        ):
            yield Address(port, tls_port)


@contextlib.contextmanager
def _serving(folder: Path, name: str, profile: str, *options: str) -> Iterator[int]:
    ready = folder / f"{name}.ready"
    command = [sys.executable, "-m", "leveret", "serve", "--port", "0", "--profile", profile]
    with (folder / f"{name}.log").open("wb") as output:
        process = subprocess.Popen(
            [*command, "--ready-file", str(ready), *options], stdout=output, stderr=output
        )
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not (ready.exists() and ready.read_text()):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((folder / f"{name}.log").read_text())
            time.sleep(0.05)
        port = urllib.parse.urlsplit(ready.read_text().split()[0]).port
        assert port is not None
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
