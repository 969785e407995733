"""A served broker for each test, and what is said about clients that are not installed."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from leveret import Broker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from leveret.server.background import RunningServer

HOW_TO_RUN = "clients not installed were not tried; install their libraries to have them tried"

#: Where npm puts amqplib: outside the repository, and found again by the next run.
NODE_MODULES = Path(
    os.environ.get("LEVERET_NODE_CACHE")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "leveret-node"
)

AMQPLIB = "amqplib@0.10"

_WAS_SKIPPED = pytest.StashKey[bool]()


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def server(broker: Broker) -> Iterator[RunningServer]:
    """Return a server on a port of its own, with a broker that nobody has used."""
    with broker.serve(port=0) as running:
        yield running
    broker.check()


@pytest.fixture
def url(server: RunningServer) -> str:
    return f"amqp://guest:guest@127.0.0.1:{server.port}/%2F"


@pytest.fixture
def need(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Skip where a Python module, or a program, is not installed; return the first module."""

    def check(*modules: str, programs: tuple[str, ...] = ()) -> Any:
        try:
            imported = [importlib.import_module(name) for name in modules]
        except ImportError:
            imported = []
        if len(imported) != len(modules) or not all(map(shutil.which, programs)):
            request.config.stash[_WAS_SKIPPED] = True
            pytest.skip(HOW_TO_RUN)
        return imported[0] if imported else None

    return check


@pytest.fixture(scope="session")
def node_modules(request: pytest.FixtureRequest) -> Path:
    """Return a folder with Node's amqplib in it."""
    if not (shutil.which("node") and shutil.which("npm")):
        request.config.stash[_WAS_SKIPPED] = True
        pytest.skip(HOW_TO_RUN)
    modules = NODE_MODULES / "node_modules"
    if not (modules / "amqplib").is_dir():
        NODE_MODULES.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(NODE_MODULES)]
        installed = subprocess.run([*command, AMQPLIB], capture_output=True, text=True)
        if installed.returncode:
            request.config.stash[_WAS_SKIPPED] = True
            pytest.skip(HOW_TO_RUN)
    return modules


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if terminalreporter.config.stash.get(_WAS_SKIPPED, False):
        terminalreporter.write_line(HOW_TO_RUN)
