"""Tells tests that would start a broker in a container where one is running.

They also look for leaks of their client after each test; that takes most of their time, and says
nothing about the broker: it is left out.
"""

from __future__ import annotations

import importlib
import os
import tracemalloc
from typing import Any

import pytest

docker_client: Any = importlib.import_module("tests.docker_client")

PORTS = {5672: "UPSTREAM_PORT", 5671: "UPSTREAM_TLS_PORT"}


def _run(self: Any, image: str, ports: list[str], environment: Any = None) -> Any:
    tcp = {f"{port}/tcp": int(os.environ[name]) for port, name in PORTS.items()}
    return docker_client.ContainerInfo("", tcp, os.environ["UPSTREAM_HOST"])


docker_client.check_docker_available = docker_client.parse_docker_host
docker_client.DockerClient.run = _run
docker_client.DockerClient.kill = docker_client.DockerClient.remove = lambda self, container: None

for name in ("start", "stop", "clear_traces"):
    setattr(tracemalloc, name, lambda: None)
tracemalloc.take_snapshot = lambda: tracemalloc.Snapshot((), 1)


@pytest.fixture(scope="session")
def rabbitmq_container() -> Any:
    """Return what aiormq's own fixture would, which is not published with its tests."""
    return _run(None, "", [])


@pytest.fixture(scope="session")
def amqp_direct_url(rabbitmq_container: Any) -> Any:
    port = rabbitmq_container.ports["5672/tcp"]
    url = f"amqp://guest:guest@{rabbitmq_container.host}:{port}//"
    return importlib.import_module("yarl").URL(url)
