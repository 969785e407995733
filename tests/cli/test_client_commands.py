"""`leveret publish`, `get`, `consume` and `top`, each against a broker on a socket."""

from __future__ import annotations

import base64
import datetime
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

import leveret
from leveret import Properties
from leveret.cli.client import without_secret
from leveret.cli.counting import Counting
from leveret.server import ServerLimits

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

TIMEOUT_S = 30


@pytest.fixture
def broker() -> leveret.Broker:
    """Make a broker with a topic exchange and two queues."""
    broker = leveret.Broker()
    broker.exchange_declare("orders", "topic")
    for queue, key in (("billing", "order.*.paid"), ("shipping", "order.*.packed")):
        broker.queue_declare(queue)
        broker.queue_bind(queue, "orders", key)
    return broker


@pytest.fixture
def url(broker: leveret.Broker) -> Iterator[str]:
    """Serve the broker, and return its URL."""
    with broker.serve(port=0, limits=ServerLimits(stop_grace_s=0.2)) as server:
        yield server.url


def _bodies(broker: leveret.Broker, queue: str) -> list[bytes | None]:
    count = broker.queue_declare(queue, passive=True).message_count
    return [broker.basic_get(queue, auto_ack=True)[2] for _ in range(count)]


# -- publish


def test_one_message_with_headers_and_properties(
    invoke: Any, broker: leveret.Broker, url: str
) -> None:
    result: Result = invoke(
        *("publish", url, "orders", "order.7.paid", "two tents"),
        *("--header", "total=5", "--property", "priority=3", "--property", "type=paid"),
        *("--property", "timestamp=1700000000", "--property", "expiration=60000"),
    )
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "1 message: 1 routed, 0 unroutable, 0 refused\n"
    _, properties, body = broker.basic_get("billing")
    assert body == b"two tents"
    assert properties is not None
    assert properties.headers == {"total": 5}
    assert (properties.priority, properties.type, properties.expiration) == (3, "paid", "60000")
    assert properties.timestamp == 1_700_000_000


def test_a_file_is_published_in_its_order(
    invoke: Any, broker: leveret.Broker, url: str, folder: Path
) -> None:
    lines: list[dict[str, object]] = [
        {"exchange": "orders", "routing_key": "order.1.paid", "body": str(number)}
        for number in range(1500)
    ]
    lines[700] = {"exchange": "orders", "routing_key": "nobody", "properties": {"message_id": "m"}}
    text = "\n".join(map(json.dumps, lines))
    (folder / "m.jsonl").write_text(text, encoding="utf-8")
    result: Result = invoke("publish", url, "--messages", "m.jsonl")
    assert result.stdout == "1,500 messages: 1,499 routed, 1 unroutable, 0 refused\n"
    numbers = [int(body or b"") for body in _bodies(broker, "billing")]
    assert numbers == [number for number in range(1500) if number != 700]


def test_lines_at_fault_are_shown_and_the_rest_is_published(
    invoke: Any, broker: leveret.Broker, url: str
) -> None:
    lines = (
        '{"exchange": "ordres", "routing_key": "order.1.paid"}\n'
        "no JSON\n"
        '{"exchange": "orders", "routing_key": "order.1.paid"}\n'
        '{"exchange": "", "routing_key": "billing", "properties": {"cluster_id": "c"}}\n'
    )
    result: Result = invoke("publish", url, "--messages", "-", stdin=lines)
    assert result.exit_code == 1
    assert result.stdout == "4 messages: 1 routed, 0 unroutable, 3 refused\n"
    assert "<stdin>:1:14: error: 404 NOT_FOUND - no exchange 'ordres' in vhost '/'" in result.stderr
    assert "<stdin>:2:1: error: not JSON" in result.stderr
    assert "<stdin>:4:" in result.stderr
    assert len(_bodies(broker, "billing")) == 1


def test_a_queue_that_takes_no_more_refuses(invoke: Any, broker: leveret.Broker, url: str) -> None:
    broker.queue_declare("full", arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    line = '{"exchange": "", "routing_key": "full"}\n'
    result: Result = invoke("publish", url, "--messages", "-", "--json", stdin=line * 3)
    report = json.loads(result.stdout)
    assert result.exit_code == 1
    assert [report[name] for name in ("lines", "routed", "refused", "unanswered")] == [3, 1, 2, 0]
    assert {fault["line"] for fault in report["faults"]} == {2, 3}


def test_a_message_that_closes_the_channel_stops_it(invoke: Any, url: str) -> None:
    good = '{"exchange": "orders", "routing_key": "order.1.paid"}\n'
    bad = '{"exchange": "orders", "properties": {"expiration": "soon"}}\n'
    result: Result = invoke("publish", url, "--messages", "-", stdin=good + bad + good * 500)
    assert result.exit_code == 1
    assert "PRECONDITION_FAILED - invalid expiration 'soon'" in result.stderr
    assert "unanswered" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "either EXCHANGE and KEY, or --messages"),
        (["orders"], "a KEY is missing"),
        (["orders", "k", "--messages", "shop.yaml"], "either EXCHANGE and KEY, or --messages"),
        (["--messages", "shop.yaml", "--header", "a=1"], "for one message"),
        (["orders", "x" * 256], "255"),
    ],
)
def test_what_is_to_be_published_is_said_once(
    invoke: Any, url: str, arguments: list[str], message: str
) -> None:
    result: Result = invoke("publish", url, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


# -- get


def test_a_message_is_a_line_that_can_be_published_again(
    invoke: Any, broker: leveret.Broker, url: str
) -> None:
    properties = Properties(
        headers={
            "total": 5,
            "when": datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
            "price": Decimal("1.5"),
            "raw": b"\xff",
        },
        priority=3,
        type="paid",
        timestamp=1_700_000_000,
        message_id="m7",
    )
    broker.basic_publish("orders", "order.7.paid", "zwei Zelte — bezahlt", properties)
    result: Result = invoke("get", url, "billing")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "exchange": "orders",
        "routing_key": "order.7.paid",
        "headers": {"total": 5, "when": 1_767_312_000, "price": 1.5, "raw": "/w=="},
        "properties": {
            "priority": 3,
            "message_id": "m7",
            "timestamp": 1_700_000_000,
            "type": "paid",
        },
        "body": "zwei Zelte — bezahlt",
    }
    assert invoke("publish", url, "--messages", "-", stdin=result.stdout).exit_code == 0
    assert _bodies(broker, "billing") == ["zwei Zelte — bezahlt".encode()]


def test_a_body_that_is_no_text_is_base64(invoke: Any, broker: leveret.Broker, url: str) -> None:
    broker.basic_publish("", "billing", b"\xff\x00")
    document = json.loads(invoke("get", url, "billing").stdout)
    assert base64.b64decode(document["body_base64"]) == b"\xff\x00"
    assert "body" not in document


def test_an_empty_queue_is_status_1(invoke: Any, url: str) -> None:
    result: Result = invoke("get", url, "billing")
    assert (result.exit_code, result.output) == (1, "")


@pytest.mark.parametrize(
    ("options", "taken", "left"),
    [((), 1, 4), (("--count", "3"), 3, 2), (("--all",), 5, 0), (("--all", "--requeue"), 5, 5)],
)
def test_as_many_are_taken_as_asked_for(
    invoke: Any, broker: leveret.Broker, url: str, options: tuple[str, ...], taken: int, left: int
) -> None:
    for number in range(5):
        broker.basic_publish("", "billing", b"%d" % number)
    result: Result = invoke("get", url, "billing", *options)
    bodies = [json.loads(line)["body"] for line in result.stdout.splitlines()]
    assert bodies == [str(number) for number in range(taken)]
    assert _bodies(broker, "billing") == [b"%d" % number for number in range(5 - left, 5)]


def test_messages_go_to_a_file(invoke: Any, broker: leveret.Broker, url: str, folder: Path) -> None:
    broker.basic_publish("", "billing", b"x")
    result: Result = invoke("get", url, "billing", "--output", "out.jsonl")
    assert (result.exit_code, result.stdout) == (0, "")
    assert json.loads((folder / "out.jsonl").read_text(encoding="utf-8"))["body"] == "x"
    assert invoke("get", url, "billing", "--output", "none/out.jsonl").exit_code == 2


# -- consume


def test_a_consumer_ends_after_its_count(invoke: Any, broker: leveret.Broker, url: str) -> None:
    for number in range(10):
        broker.basic_publish("", "billing", b"%d" % number)
    result: Result = invoke("consume", url, "billing", "--count", "7", "--prefetch", "2")
    assert result.exit_code == 0
    assert [json.loads(line)["body"] for line in result.stdout.splitlines()] == [*"0123456"]
    assert _bodies(broker, "billing") == [b"7", b"8", b"9"]


def test_a_consumer_prints_what_comes_until_a_signal(broker: leveret.Broker, url: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "leveret", "consume", url, "billing"],
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    with process:
        assert process.stdout is not None
        for number in range(3):
            broker.basic_publish("", "billing", b"%d" % number)
            assert json.loads(process.stdout.readline())["body"] == str(number)
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT_S) == 0
    assert _bodies(broker, "billing") == []


def test_a_consumer_ends_with_its_queue(broker: leveret.Broker, url: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "leveret", "consume", url, "billing"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        broker.basic_publish("", "billing", b"it is there")
        process.stdout.readline()
        broker.queue_delete("billing")
        assert process.wait(TIMEOUT_S) == 1
        assert process.stderr.read() == "Error: queue 'billing' is not there any more\n"


# -- top


def test_top_reads_the_queues_of_a_file_once_where_no_terminal_is(
    invoke: Any, broker: leveret.Broker, url: str
) -> None:
    broker.basic_publish("", "billing", b"x")
    broker.channel().basic_consume("shipping", lambda *_: None)
    result: Result = invoke("top", url, "shop.yaml", "--queue", "billing")
    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows[0] == ["queue", "ready", "change/s", "consumers"]
    assert ["billing", "1", "0"] in rows
    assert ["shipping", "0", "1"] in rows
    assert "NOT_FOUND - no queue 'thumbnails' in vhost '/'" in result.stdout


def test_top_tells_machines(invoke: Any, broker: leveret.Broker, url: str) -> None:
    broker.basic_publish("", "billing", b"x")
    result: Result = invoke("top", url, "--queue", "none", "--queue", "billing", "--json")
    missing, billing = json.loads(result.stdout)
    assert missing["ready"] is None
    assert missing["problem"].startswith("NOT_FOUND")
    assert (billing["queue"], billing["ready"], billing["consumers"]) == ("billing", 1, 0)


def test_top_needs_a_queue(invoke: Any, url: str) -> None:
    assert invoke("top", url).exit_code == 2


def test_top_on_a_terminal_is_live_until_a_signal(broker: leveret.Broker, url: str) -> None:
    terminal, inner = pty.openpty()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "leveret", "top", url),
            *("--queue", "billing", "--interval", "0.1"),
        ],
        stdin=inner,
        stdout=inner,
        stderr=inner,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "80", "LINES": "24"},
    )
    os.close(inner)
    with process:
        watchdog = threading.Timer(TIMEOUT_S, process.kill)
        watchdog.start()
        for number in range(1, 4):
            broker.basic_publish("", "billing", b"x")
            shown = ""
            while f"billing {number} " not in shown:
                shown += _plain(os.read(terminal, 65536))
        watchdog.cancel()
        process.send_signal(signal.SIGINT)
        while True:
            try:
                if not os.read(terminal, 65536):
                    break
            except OSError:  # the terminal's other end is closed
                break
        assert process.wait(TIMEOUT_S) == 0
    os.close(terminal)


def _plain(data: bytes) -> str:
    """Return what a terminal is told to show, without colours and movements."""
    text = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", data).decode(errors="replace")
    return re.sub(r" +", " ", text)


# -- connecting


@pytest.mark.parametrize("command", ["publish", "get", "consume", "top"])
def test_no_broker_is_status_2(invoke: Any, command: str) -> None:
    arguments = {"publish": ["", "q"], "get": ["q"], "consume": ["q"], "top": ["--queue", "q"]}
    result: Result = invoke(command, "amqp://svc:secret@127.0.0.1:1", *arguments[command])
    assert result.exit_code == 2
    assert "cannot connect to amqp://svc@127.0.0.1:1" in result.stderr
    assert "secret" not in result.output


def test_a_wrong_password_is_status_2(invoke: Any, url: str) -> None:
    result: Result = invoke("get", url.replace("//", "//guest:wrong@"), "billing")
    assert result.exit_code == 2
    assert "Login was refused" in result.stderr


def test_what_the_broker_refuses_is_status_1(invoke: Any, url: str) -> None:
    for command in ("get", "consume"):
        result: Result = invoke(command, url, "none")
        assert result.exit_code == 1
        assert result.stderr == "Error: NOT_FOUND - no queue 'none' in vhost '/'\n"


@pytest.mark.parametrize("url", ["localhost", "http://localhost", "amqp://", "amqp://h:port"])
def test_something_else_than_a_url_is_a_mistake(invoke: Any, url: str) -> None:
    result: Result = invoke("get", url, "q")
    assert result.exit_code == 2
    assert "is not of the form amqp://host:5672/vhost" in result.stderr


def test_without_aio_pika_the_way_to_it_is_shown(
    invoke: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "aio_pika", None)
    result: Result = invoke("get", "amqp://localhost", "q")
    assert result.exit_code == 2
    assert "pip install 'leveret[client]'" in result.stderr


def test_passwords_are_not_shown() -> None:
    assert without_secret("amqp://a:b:c@h/v") == "amqp://a@h/v"
    assert without_secret("amqp://h/v") == "amqp://h/v"
    assert without_secret("nonsense") == "nonsense"


def test_a_bar_counts_on_a_terminal_once_there_is_much_to_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    counting = Counting("getting", 10, few=2)
    counting.advance()
    assert counting._bar is None
    counting.advance()
    assert counting._bar is not None
    for _ in range(8):
        counting.advance()
    assert counting._bar.finished
    counting.stop()
    assert counting._bar is None


def test_no_bar_counts_where_messages_scroll_by(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    counting = Counting("getting", 10, hidden=True, few=1)
    counting.advance()
    assert counting._bar is None
