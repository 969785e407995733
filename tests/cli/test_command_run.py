"""`leveret run`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    Invoke = Callable[..., Result]

MESSAGES = """\
{"exchange": "orders", "routing_key": "order.created.eu", "body": "12345"}
{"exchange": "orders", "routing_key": "order.17.paid", "body": {"id": 17}}

{"exchange": "orders", "routing_key": "basket.left"}
{"exchange": "work", "routing_key": "wrap"}
{"exchange": "work", "routing_key": "wrap"}
{"exchange": "", "routing_key": "biling"}
{"exchange": "images", "headers": {"format": "png", "width": 640}, "body": "png"}
"""


def _write(text: str) -> None:
    Path("messages.jsonl").write_text(text, encoding="utf-8")


def test_tables_show_what_each_queue_holds_and_what_reached_none(invoke: Invoke) -> None:
    _write(MESSAGES)
    result = invoke("run", "shop.yaml", "--messages", "messages.jsonl")
    assert result.exit_code == 0
    assert result.stderr == ""
    assert result.stdout == (
        "queue       messages  bytes  first key         last key\n"
        "────────────────────────────────────────────────────────────\n"
        "billing            2     14  order.created.eu  order.17.paid\n"
        "shipping           0      0\n"
        'thumbnails         1      3  ""                ""\n'
        "unrouted           1      0  basket.left       basket.left\n"
        "\n"
        "unroutable: exchange  routing key  messages\n"
        "───────────────────────────────────────────\n"
        "work                  wrap                2\n"
        "(default)             biling              1\n"
        "\n"
        "7 messages: 4 routed, 3 unroutable, 0 refused; the queues hold 4\n"
    )


def test_the_result_as_json_has_the_documented_shape(invoke: Invoke) -> None:
    _write(MESSAGES)
    result = invoke("run", "shop.yaml", "--messages", "messages.jsonl", "--json")
    assert json.loads(result.stdout) == {
        "lines": 7,
        "routed": 4,
        "unroutable": 3,
        "refused": 0,
        "queues": [
            {
                "queue": "billing",
                "messages": 2,
                "bytes": 14,
                "dead_lettered": 0,
                "first_routing_key": "order.created.eu",
                "last_routing_key": "order.17.paid",
            },
            {
                "queue": "shipping",
                "messages": 0,
                "bytes": 0,
                "dead_lettered": 0,
                "first_routing_key": None,
                "last_routing_key": None,
            },
            {
                "queue": "thumbnails",
                "messages": 1,
                "bytes": 3,
                "dead_lettered": 0,
                "first_routing_key": "",
                "last_routing_key": "",
            },
            {
                "queue": "unrouted",
                "messages": 1,
                "bytes": 0,
                "dead_lettered": 0,
                "first_routing_key": "basket.left",
                "last_routing_key": "basket.left",
            },
        ],
        "unroutable_keys": [
            {"exchange": "work", "routing_key": "wrap", "messages": 2},
            {"exchange": "", "routing_key": "biling", "messages": 1},
        ],
        "faults": [],
    }


def test_messages_come_from_standard_input_too(invoke: Invoke) -> None:
    result = invoke("run", "shop.yaml", "--messages", "-", "--json", stdin=MESSAGES)
    assert json.loads(result.stdout)["routed"] == 4
    result = invoke("run", "shop.yaml", "-m", "-", stdin="oops\n")
    assert result.stderr.startswith("<stdin>:1:1: error: not JSON: expecting value\n")


def test_no_message_at_all_leaves_every_queue_empty(invoke: Invoke) -> None:
    result = invoke("run", "shop.yaml", "--messages", "-", "--json", stdin="")
    assert result.exit_code == 0
    assert sum(queue["messages"] for queue in json.loads(result.stdout)["queues"]) == 0


def test_a_bad_line_is_reported_with_its_place_and_the_rest_still_runs(invoke: Invoke) -> None:
    _write(
        '{"exchange": "orders", "routing_key": "order.1.paid"}\n'
        "oops\n"
        '{"exchange": "ordres", "routing_key": "order.2.paid"}\n'
        '{"exchange": "inside"}\n'
        '{"exchange": "orders", "routing_key": "order.3.paid"}\n'
    )
    result = invoke("run", "shop.yaml", "--messages", "messages.jsonl")
    assert result.exit_code == 1
    assert result.stderr == (
        "messages.jsonl:2:1: error: not JSON: expecting value\n"
        "  oops\n"
        "  ^\n"
        "  Write one JSON object on the line.\n"
        "messages.jsonl:3:14: error: 404 NOT_FOUND - no exchange 'ordres' in vhost '/'\n"
        '  {"exchange": "ordres", "routing_key": "order.2.paid"}\n'
        "               ^\n"
        "  Did you mean 'orders'?\n"
        "messages.jsonl:4:14: error: 403 ACCESS_REFUSED - cannot publish to internal exchange"
        " 'inside' in vhost '/'\n"
        '  {"exchange": "inside"}\n'
        "               ^\n"
        "  RabbitMQ would close the channel: correct the message, or the topology.\n"
    )
    assert result.stdout.splitlines()[-1] == (
        "5 messages: 2 routed, 0 unroutable, 3 refused; the queues hold 2"
    )


def test_faults_as_json_stand_in_the_result_and_nowhere_else(invoke: Invoke) -> None:
    _write('{"exchange": "ordres"}\n{}\n')
    result = invoke("run", "shop.yaml", "--messages", "messages.jsonl", "--json")
    assert (result.exit_code, result.stderr) == (1, "")
    report = json.loads(result.stdout)
    assert report["refused"] == 2
    assert [(fault["line"], fault["column"]) for fault in report["faults"]] == [(1, 14), (2, 1)]


def test_the_route_of_each_message_is_shown_on_request(invoke: Invoke) -> None:
    _write(MESSAGES)
    result = invoke("run", "shop.yaml", "--messages", "messages.jsonl", "--trace")
    lines = result.stdout.splitlines()
    assert lines[0] == "messages.jsonl:1"
    assert lines[1] == "exchange 'orders' (topic) ◀─ routing key 'order.created.eu'"
    assert sum(line.startswith("messages.jsonl:") for line in lines) == 7
    assert "✘ reaches no queue: returned if published as mandatory, dropped otherwise" in lines


def test_traces_as_json_name_the_line_of_their_message(invoke: Invoke) -> None:
    _write(MESSAGES)
    result = invoke("run", "shop.yaml", "--messages", "messages.jsonl", "--trace", "--json")
    traces = json.loads(result.stdout)["traces"]
    assert [trace["line"] for trace in traces] == [1, 2, 4, 5, 6, 7, 8]
    assert traces[0]["queues"] == ["billing"]


def test_names_cannot_play_tricks_on_a_terminal(invoke: Invoke) -> None:
    _write('{"exchange": "work", "routing_key": "\\u001b[31mred\\n[bold]x[/bold] :smile:"}\n')
    result = invoke("run", "shop.yaml", "--messages", "messages.jsonl", "--trace")
    assert "\x1b" not in result.output
    assert "\\x1b[31mred\\n[bold]x[/bold] :smile:" in result.stdout


def test_what_came_from_a_dead_letter_exchange_has_a_column(invoke: Invoke) -> None:
    Path("full.yaml").write_text(
        "exchanges: {dead: fanout}\n"
        "queues: {small: {max_length: 1, dead_letter: {exchange: dead}}, late: {}}\n"
        "bindings: [dead -> late]\n",
        encoding="utf-8",
    )
    _write('{"exchange": "", "routing_key": "small", "body": "x"}\n' * 3)
    result = invoke("run", "full.yaml", "--messages", "messages.jsonl")
    assert result.stdout == (
        "queue  messages  bytes  via DLX  first key  last key\n"
        "────────────────────────────────────────────────────\n"
        "small         1      1        0  small      small\n"
        "late          2      2        2  small      small\n"
        "\n"
        "3 messages: 3 routed, 0 unroutable, 0 refused; the queues hold 3\n"
    )


def test_piped_tables_are_neither_cut_nor_wrapped(invoke: Invoke) -> None:
    key = "k" * 255
    _write(f'{{"exchange": "work", "routing_key": "{key}"}}\n')
    result = invoke("run", "shop.yaml", "--messages", "messages.jsonl")
    assert key in result.stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("run", "shop.yaml"), "Missing option '--messages'"),
        (("run", "shop.yaml", "--messages", "missing.jsonl"), "'missing.jsonl' does not exist"),
        (("run", "shop.yaml", "--messages", "."), "'.' is a directory"),
        (("run", "missing.yaml", "--messages", "-"), "'missing.yaml' does not exist"),
    ],
)
def test_a_command_that_makes_no_sense_is_status_2(
    invoke: Invoke, arguments: tuple[str, ...], complaint: str
) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert complaint in result.stderr


def test_a_disk_that_fails_is_status_2(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    _write(MESSAGES)
    monkeypatch.setattr("leveret.cli.message_input.Path.open", fail)
    result = invoke("run", "shop.yaml", "--messages", "messages.jsonl")
    assert result.exit_code == 2
    assert result.stderr == "Error: cannot read messages.jsonl: permission denied\n"
