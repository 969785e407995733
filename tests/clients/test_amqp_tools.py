"""The tools of C's librabbitmq, from Debian's package amqp-tools."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.clients.conftest import Wanted

    from leveret import Broker

    Tool = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def tool(wanted: Wanted, url: str) -> Tool:
    wanted.programs("amqp-publish", "amqp-get", "amqp-consume", "amqp-declare-queue")

    def run(name: str, *arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        command = [name, "--url", url, *arguments]
        return subprocess.run(command, input=given, capture_output=True, timeout=20)

    return run


def test_a_queue_is_declared_filled_and_emptied(tool: Tool, broker: Broker) -> None:
    assert tool("amqp-declare-queue", "--queue", "q", "--durable").stdout == b"q\n"
    body = bytes(range(256)) * 2000
    tool("amqp-publish", "--routing-key", "q", "--persistent", "--content-type", "x", given=body)
    _, properties, _ = broker.channel().basic_get("q")
    broker.connections[0].close()
    assert properties is not None
    assert (properties.content_type, properties.delivery_mode) == ("x", 2)
    assert tool("amqp-get", "--queue", "q").stdout == body
    empty = tool("amqp-get", "--queue", "q")
    assert (empty.returncode, empty.stdout) == (2, b"")


def test_a_consumer_runs_a_command_for_each_message(tool: Tool, broker: Broker) -> None:
    tool("amqp-declare-queue", "--queue", "q")
    for line in ("one", "two", "three"):
        tool("amqp-publish", "--routing-key", "q", "--body", line)
    done = tool("amqp-consume", "--queue", "q", "--count", "2", "--prefetch-count", "1", "cat")
    assert done.stdout == b"onetwo"
    assert broker.channel().queue_declare("q", passive=True).message_count == 1


def test_lines_are_messages(tool: Tool, broker: Broker) -> None:
    broker.channel().queue_declare("q")
    tool("amqp-publish", "--routing-key", "q", "--line-buffered", given=b"a\nb\nc\n")
    assert tool("amqp-get", "--queue", "q").stdout.strip() == b"a"
    assert tool("amqp-delete-queue", "--queue", "q").stdout == b"2\n"


def test_an_error_is_told(tool: Tool) -> None:
    failed = tool("amqp-get", "--queue", "nowhere")
    assert failed.returncode != 0
    assert b"404" in failed.stderr
    assert b"NOT_FOUND - no queue 'nowhere' in vhost '/'" in failed.stderr
