"""The RabbitMQ that the comparison is made with, and what is said where there is none."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import urllib.parse
from typing import TYPE_CHECKING

import pytest
from attrs import define, field

import leveret
from judge.exclusions import is_compared_over_the_wire
from judge.inprocess import LeveretSide
from judge.node import RabbitMQNode, find_server, private_node
from judge.plain import Names
from judge.rabbitmq import RabbitMQSide
from judge.run import Difference, run
from judge.served import ServedSide
from judge.steps import Step, parse
from judge.vocabulary import EXCHANGES, QUEUES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from judge.side import Side
    from leveret.server.background import RunningServer

__all__ = ["HOW_TO_RUN", "Judge"]

URL_VARIABLE = "LEVERET_RABBITMQ_URL"
HOW_TO_RUN = (
    "not compared with RabbitMQ: install rabbitmq-server 3.10 (a private node is then started),"
    f" or set {URL_VARIABLE}=amqp://guest:guest@host:5672/%2F, then pytest tests/comparison"
)

_WAS_SKIPPED = pytest.StashKey[bool]()


@define
class Judge:
    """Runs conversations against one RabbitMQ, each under names of its own."""

    url: str
    node: RabbitMQNode | None = field(repr=False)
    #: leveret to compare over the wire, as RabbitMQ is; None: in process.
    server: RunningServer | None = field(default=None, repr=False)
    _numbers: Iterator[int] = field(factory=itertools.count, init=False)

    @property
    def virtual_host(self) -> str:
        """The virtual host that the URL names."""
        return urllib.parse.unquote(urllib.parse.urlsplit(self.url).path[1:]) or "/"

    @contextlib.contextmanager
    def sides(self) -> Iterator[tuple[Side, RabbitMQSide]]:
        """Give two fresh sides; what was declared on RabbitMQ's is deleted afterwards."""
        prefix = f"leveret-{os.getpid()}-{next(self._numbers)}-"
        theirs = RabbitMQSide(Names(prefix), url=self.url)
        with contextlib.ExitStack() as ending:
            ending.callback(theirs.clean, QUEUES, EXCHANGES)
            if self.server is None:
                yield LeveretSide(virtual_host=self.virtual_host), theirs
                return
            url = self.server.url + "/" + urllib.parse.quote(self.virtual_host, safe="")
            ours = ServedSide(url=url, server=self.server, virtual_host=self.virtual_host)
            ending.callback(ours.close)
            yield ours, theirs

    def compare(self, conversation: str | Sequence[Step]) -> None:
        """Run a conversation on both sides.

        Raises:
            Difference: they do not agree.

        """
        steps = parse(conversation) if isinstance(conversation, str) else conversation
        if self.server is not None:
            steps = [step for step in steps if is_compared_over_the_wire(step)]
        with self.sides() as (ours, theirs):
            run(steps, ours, theirs, QUEUES, EXCHANGES)

    def difference(self, conversation: Sequence[Step]) -> Difference | None:
        """Return how the sides differ in a conversation; None: they agree."""
        try:
            self.compare(conversation)
        except Difference as difference:
            return difference
        return None


@pytest.fixture(scope="session")
def judge(request: pytest.FixtureRequest) -> Iterator[Judge]:
    # pika logs each channel that a broker closes, which here is what is tested.
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    url = os.environ.get(URL_VARIABLE)
    if url:
        yield Judge(url, None)
    elif find_server() is None:
        request.config.stash[_WAS_SKIPPED] = True
        pytest.skip(HOW_TO_RUN)
    else:
        with private_node() as node:
            yield Judge(node.url, node)


@pytest.fixture(scope="session")
def wire_judge(judge: Judge) -> Iterator[Judge]:
    """Return a judge of leveret over the wire."""
    with leveret.Broker().serve(port=0) as server:
        yield Judge(judge.url, judge.node, server)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if terminalreporter.config.stash.get(_WAS_SKIPPED, False):
        terminalreporter.write_line(HOW_TO_RUN)
