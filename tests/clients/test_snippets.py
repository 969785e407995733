"""Each program of docs/clients.md does what stands behind it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from attrs import frozen

if TYPE_CHECKING:
    from tests.clients.conftest import Wanted

    from leveret.server.background import RunningServer

PAGE = Path(__file__).parents[2] / "docs" / "clients.md"

#: Heading -> the modules and the program that it needs.
NEEDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "pika": (("pika",), ()),
    "aio-pika": (("aio_pika",), ()),
    "aiormq": (("aiormq",), ()),
    "amqp": (("amqp",), ()),
    "kombu": (("kombu", "amqp"), ()),
    "Celery": (("celery",), ()),
    "AMQPStorm": (("amqpstorm",), ()),
    "Dramatiq": (("dramatiq", "pika"), ()),
    "FastStream": (("faststream", "aio_pika"), ()),
    "amqplib for Node": ((), ("node",)),
    "librabbitmq's tools": ((), ("amqp-publish",)),
}


@frozen
class Snippet:
    """A program of the page, and what it prints."""

    heading: str
    language: str
    code: str
    output: str


def snippets() -> list[Snippet]:
    found = []
    for section in PAGE.read_text().split("\n## ")[1:]:
        heading = section.partition("\n")[0]
        blocks = re.findall(r"```(\w+)\n(.*?)```", section, re.DOTALL)
        if not blocks:
            continue
        (language, code), (kind, output) = blocks
        assert kind == "text"
        found.append(Snippet(heading, language, code, output))
    return found


def test_every_client_of_the_page_is_known() -> None:
    assert [snippet.heading for snippet in snippets()] == list(NEEDS)


@pytest.mark.parametrize("snippet", [pytest.param(s, id=s.heading) for s in snippets()])
def test_a_snippet_prints_what_the_page_says(
    snippet: Snippet,
    server: RunningServer,
    wanted: Wanted,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    modules, programs = NEEDS[snippet.heading]
    for module in modules:
        wanted.module(module)
    wanted.programs(*programs)
    code = snippet.code
    assert "localhost" in code
    code = code.replace("localhost:5672", f"127.0.0.1:{server.port}")
    code = code.replace('"localhost"', '"127.0.0.1"').replace("port=5672", f"port={server.port}")
    environment = dict(os.environ)
    if snippet.language == "javascript":
        environment["NODE_PATH"] = str(request.getfixturevalue("node_modules"))
    command = {
        "python": [sys.executable, "-c", code],
        "javascript": ["node", "-e", code],
        "sh": ["sh", "-ec", code],
    }[snippet.language]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.rstrip() == snippet.output.rstrip(), done.stderr
    assert done.returncode == 0, done.stderr
