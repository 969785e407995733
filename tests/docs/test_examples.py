"""Every example is sound, its messages are all taken, and `make demo` shows what it should."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from leveret import config
from leveret.cli import main

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.parent for path in ROOT.glob("examples/*/topology.yaml"))
ORDERS = ROOT / "examples" / "orders"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_is_sound_and_each_of_its_messages_is_taken(example: Path) -> None:
    topology = str(example / "topology.yaml")
    messages = str(example / "messages.jsonl")
    result = CliRunner().invoke(main, ["check", topology])
    assert (result.exit_code, result.stderr) == (0, "")
    result = CliRunner().invoke(main, ["run", topology, "--messages", messages, "--trace"])
    assert (result.exit_code, result.stderr) == (0, "")


def _orders_report() -> dict[str, Any]:
    arguments = ["run", str(ORDERS / "topology.yaml"), "--json"]
    result = CliRunner().invoke(main, [*arguments, "--messages", str(ORDERS / "messages.jsonl")])
    report: dict[str, Any] = json.loads(result.stdout)
    return report


def test_the_order_system_uses_every_exchange_type() -> None:
    host = config.load(ORDERS / "topology.yaml").virtual_hosts["/"]
    types = {exchange.type for exchange in host.exchanges.values()}
    assert types == {"direct", "fanout", "topic", "headers", "x-consistent-hash", "x-random"}
    assert any(binding.destination_type == "exchange" for binding in host.bindings)
    assert any("alternate-exchange" in exchange.arguments for exchange in host.exchanges.values())
    assert any("x-dead-letter-exchange" in queue.arguments for queue in host.queues.values())


def test_the_order_system_leaves_no_queue_empty_and_some_messages_unroutable() -> None:
    report = _orders_report()
    assert report["lines"] >= 200
    assert report["refused"] == 0
    assert report["unroutable"] > 0
    assert all(queue["messages"] for queue in report["queues"])


def test_the_order_system_comes_out_the_same_every_time() -> None:
    assert _orders_report() == _orders_report()


def test_the_demo_runs_the_order_system_and_explains_a_route() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = re.search(r"^demo:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert recipe is not None
    commands = [shlex.split(line) for line in recipe[1].splitlines()]
    assert [command[:2] for command in commands] == [
        ["$(BIN)/leveret", "run"],
        ["$(BIN)/leveret", "explain"],
    ]
    printed = ""
    for _, *command in commands:
        absolute = [str(ROOT / word) if word.startswith("examples/") else word for word in command]
        result = CliRunner().invoke(main, absolute)
        assert (result.exit_code, result.stderr) == (0, "")
        printed += result.stdout
    assert "240 messages: 236 routed, 4 unroutable, 0 refused" in printed
    assert "✔ reaches " in printed
