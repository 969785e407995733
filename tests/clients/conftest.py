"""A served broker for each test, and what is said about clients that are not installed."""

from __future__ import annotations

import importlib
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from attrs import frozen

from leveret import Broker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leveret.server.background import RunningServer

HOW_TO_RUN = (
    "clients not installed were not tried: `make test-clients` installs those of Python and Node;"
    " librabbitmq's tools are Debian's amqp-tools"
)

#: Where `make test-clients` has npm put amqplib: in the virtual environment.
NODE_MODULES = Path(sys.prefix) / "node" / "node_modules"

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


@frozen
class Wanted:
    """What a test needs; where it is not installed, the test is skipped."""

    config: pytest.Config

    def module(self, name: str, *others: str) -> Any:
        """Return a Python module."""
        try:
            for other in others:
                importlib.import_module(other)
            return importlib.import_module(name)
        except ImportError:
            self.skip()

    def programs(self, *names: str) -> None:
        """See that programs are there."""
        if not all(map(shutil.which, names)):
            self.skip()

    def skip(self) -> NoReturn:
        """Go without."""
        self.config.stash[_WAS_SKIPPED] = True
        pytest.skip(HOW_TO_RUN)


@pytest.fixture(scope="session")
def wanted(pytestconfig: pytest.Config) -> Wanted:
    return Wanted(pytestconfig)


@pytest.fixture(scope="session")
def node_modules(wanted: Wanted) -> Path:
    """Return a folder with Node's amqplib in it."""
    wanted.programs("node")
    if not (NODE_MODULES / "amqplib").is_dir():
        wanted.skip()
    return NODE_MODULES


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if terminalreporter.config.stash.get(_WAS_SKIPPED, False):
        terminalreporter.write_line(HOW_TO_RUN)
