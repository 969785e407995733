"""`leveret dlq list`, `show` and `redrive`, each against a broker on a socket."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import leveret
from leveret import Properties
from leveret.cli.dlq_redriving import WINDOW
from leveret.cli.dlq_taking import AHEAD
from leveret.engine.permissions import Permission, User
from leveret.errors import ConnectionForced
from leveret.server import ServerLimits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from click.testing import Result

TIMEOUT_S = 30


@pytest.fixture
def broker() -> leveret.Broker:
    """Make a broker in which `billing` and `mails` have `dlq` for their dead letters."""
    broker = leveret.Broker()
    broker.exchange_declare("orders", "topic")
    broker.queue_declare("dlq")
    for queue, key in (("billing", "order.*.paid"), ("mails", "mail.#")):
        to_dlq = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dlq"}
        broker.queue_declare(queue, arguments=to_dlq)
        broker.queue_bind(queue, "orders", key)
    return broker


@pytest.fixture
def url(broker: leveret.Broker) -> Iterator[str]:
    """Serve the broker, and return its URL."""
    with broker.serve(port=0, limits=ServerLimits(stop_grace_s=0.2)) as server:
        yield server.url


def die(
    broker: leveret.Broker, queue: str, key: str, body: str, properties: Properties | None = None
) -> None:
    """Have a message die in a queue, rejected."""
    broker.basic_publish("orders", key, body, properties)
    method, _, _ = broker.basic_get(queue)
    assert method is not None
    broker.basic_reject(method.delivery_tag, requeue=False)


def bodies(broker: leveret.Broker, queue: str) -> list[str]:
    """Take all messages out of a queue, and return their bodies."""
    count = broker.queue_declare(queue, passive=True).message_count
    return [(broker.basic_get(queue, auto_ack=True)[2] or b"").decode() for _ in range(count)]


def some_letters(broker: leveret.Broker) -> None:
    """Have four messages die: three of billing, one of mails in between."""
    headers = Properties(headers={"region": "eu", "x-last-error": "Timeout: no answer"})
    die(broker, "billing", "order.1.paid", "one", headers)
    die(broker, "billing", "order.2.paid", "two")
    die(broker, "mails", "mail.welcome", "three", Properties(message_id="m3"))
    die(broker, "billing", "order.1.paid", "four", headers)


# -- list and show


def test_letters_are_counted_by_what_they_have_in_common(
    invoke: Any, broker: leveret.Broker, url: str
) -> None:
    some_letters(broker)
    result: Result = invoke("dlq", "list", url, "dlq", "--json")
    groups = json.loads(result.stdout)
    assert [
        (g["messages"], g["reason"], g["queue"], g["exchange"], g["routing_key"], g["error"])
        for g in groups
    ] == [
        (2, "rejected", "billing", "orders", "order.1.paid", "Timeout: no answer"),
        (1, "rejected", "billing", "orders", "order.2.paid", None),
        (1, "rejected", "mails", "orders", "mail.welcome", None),
    ]
    assert all(group["oldest_ms"] for group in groups)
    result = invoke("dlq", "list", url, "dlq", "--by", "queue", "--by", "reason")
    rows = [line.split() for line in result.stdout.splitlines()[2:]]
    assert [[row[0], *row[3:]] for row in rows[:2]] == [
        ["3", "billing", "rejected"],
        ["1", "mails", "rejected"],
    ]
    assert rows[2] == ["4", "messages"]


def test_looking_leaves_the_queue_as_it_was(invoke: Any, broker: leveret.Broker, url: str) -> None:
    some_letters(broker)
    invoke("dlq", "list", url, "dlq")
    invoke("dlq", "show", url, "dlq", "--limit", "2")
    invoke("dlq", "redrive", url, "dlq", "--dry-run")
    assert bodies(broker, "dlq") == ["one", "two", "three", "four"]


def test_a_letter_is_shown_with_its_history(invoke: Any, broker: leveret.Broker, url: str) -> None:
    some_letters(broker)
    result: Result = invoke("dlq", "show", url, "dlq", "--body", "one")
    assert re.sub(r"\d+s ago", "0s ago", result.stdout) == (
        "1. rejected in queue 'billing', 0s ago\n"
        "   published to: exchange 'orders', routing key 'order.1.paid'\n"
        "   last error: Timeout: no answer\n"
        "   died: rejected in queue 'billing' once, first 0s ago\n"
        "   header: region: eu\n"
        "   one\n\n"
    )
    result = invoke("dlq", "show", url, "dlq", "--json", "--all")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["body"] for line in lines] == ["one", "two", "three", "four"]
    assert lines[0]["headers"]["x-death"][0]["queue"] == "billing"


@pytest.mark.parametrize(
    ("options", "meant"),
    [
        (("--queue", "mails"), ["three"]),
        (("--reason", "expired"), []),
        (("--reason", "rejected", "--routing-key", "order.#"), ["one", "two", "four"]),
        (("--routing-key", "order.*.paid", "--body", "t"), ["two"]),
        (("--header", "region=eu"), ["one", "four"]),
        (("--header", "region"), ["one", "four"]),
        (("--header", "region=us"), []),
        (("--error", "Timeout"), ["one", "four"]),
        (("--message-id", "m3"), ["three"]),
        (("--exchange", "orders", "--newer-than", "1h"), ["one", "two", "three", "four"]),
        (("--older-than", "1h"), []),
    ],
)
def test_letters_are_chosen_by_every_option(
    invoke: Any, broker: leveret.Broker, url: str, options: tuple[str, ...], meant: list[str]
) -> None:
    some_letters(broker)
    result: Result = invoke("dlq", "show", url, "dlq", "--json", *options)
    assert [json.loads(line)["body"] for line in result.stdout.splitlines()] == meant
    assert result.exit_code == (0 if meant else 1)


# -- redrive


def test_letters_go_back_to_where_they_died(invoke: Any, broker: leveret.Broker, url: str) -> None:
    some_letters(broker)
    result: Result = invoke("dlq", "redrive", url, "dlq")
    assert result.stdout == (
        "4 redriven, 0 refused, 0 left\n  3 to queue 'billing'\n  1 to queue 'mails'\n"
    )
    assert result.exit_code == 0
    _, properties, body = broker.basic_get("billing")
    assert body == b"one"
    assert properties is not None
    assert properties.headers == {"region": "eu"}, "it starts afresh, and keeps its own headers"
    assert bodies(broker, "billing") == ["two", "four"]
    assert bodies(broker, "mails") == ["three"]
    assert bodies(broker, "dlq") == []


def test_what_is_not_meant_stays_in_its_order(
    invoke: Any, broker: leveret.Broker, url: str
) -> None:
    some_letters(broker)
    options = ("--queue", "billing", "--limit", "2", "--json")
    result: Result = invoke("dlq", "redrive", url, "dlq", *options)
    assert json.loads(result.stdout) == {
        "redriven": 2,
        "refused": 0,
        "left": 2,
        "dry_run": False,
        "targets": [{"exchange": "", "routing_key": "billing", "messages": 2}],
        "refusals": [],
    }
    assert bodies(broker, "billing") == ["one", "two"]
    assert bodies(broker, "dlq") == ["three", "four"]


def test_a_dry_run_says_where_letters_would_go(
    invoke: Any, broker: leveret.Broker, url: str
) -> None:
    some_letters(broker)
    result: Result = invoke("dlq", "redrive", url, "dlq", "--dry-run", "--back-to", "published")
    assert result.stdout == (
        "4 would be redriven, 0 refused, 0 left\n"
        "  2 to exchange 'orders', routing key 'order.1.paid'\n"
        "  1 to exchange 'orders', routing key 'order.2.paid'\n"
        "  1 to exchange 'orders', routing key 'mail.welcome'\n"
    )
    assert len(bodies(broker, "dlq")) == 4


def test_letters_can_go_through_their_exchange_or_to_another_queue(
    invoke: Any, broker: leveret.Broker, url: str
) -> None:
    some_letters(broker)
    broker.queue_declare("audit")
    broker.queue_bind("audit", "orders", "#")
    invoke("dlq", "redrive", url, "dlq", "--back-to", "published", "--queue", "mails")
    assert (bodies(broker, "mails"), bodies(broker, "audit")) == (["three"], ["three"])
    broker.queue_declare("parking")
    invoke("dlq", "redrive", url, "dlq", "--to", "parking", "--keep-headers", "--limit", "1")
    _, properties, _ = broker.basic_get("parking")
    assert properties is not None
    assert properties.headers is not None
    assert properties.headers["x-first-death-queue"] == "billing"


def test_a_letter_that_cannot_go_stays_and_the_reason_is_told(
    invoke: Any, broker: leveret.Broker, url: str
) -> None:
    some_letters(broker)
    broker.basic_publish("", "dlq", "never died")
    broker.queue_delete("mails")
    result: Result = invoke("dlq", "redrive", url, "dlq")
    assert result.exit_code == 1
    assert "3 redriven, 2 refused, 0 left\n" in result.stdout
    assert "1 stays: queue 'mails' does not exist\n" in result.stdout
    assert "1 stays: no x-death header says where it died; name a queue\n" in result.stdout
    assert bodies(broker, "dlq") == ["three", "never died"]


def test_a_full_queue_keeps_letters_in_the_dead_letter_queue(
    invoke: Any, broker: leveret.Broker, url: str
) -> None:
    some_letters(broker)
    broker.queue_declare("full", arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    result: Result = invoke("dlq", "redrive", url, "dlq", "--to", "full")
    assert "1 redriven, 3 refused, 0 left" in result.stdout
    assert "takes no more" in result.stdout
    assert (len(bodies(broker, "dlq")), len(bodies(broker, "full"))) == (3, 1)


def test_letters_with_one_message_id_are_not_taken_for_each_other(
    invoke: Any, broker: leveret.Broker, url: str
) -> None:
    for number in range(20):
        queue, key = (("billing", "order.1.paid"), ("mails", "mail.x"))[number % 2]
        die(broker, queue, key, str(number), Properties(message_id="same"))
    broker.queue_delete("mails")
    result: Result = invoke("dlq", "redrive", url, "dlq")
    assert "10 redriven, 10 refused" in result.stdout
    assert bodies(broker, "dlq") == [str(number) for number in range(20) if number % 2]


def test_what_dies_again_meanwhile_is_not_sent_twice(
    invoke: Any, broker: leveret.Broker, url: str
) -> None:
    some_letters(broker)
    reject = broker.channel()
    reject.basic_consume(
        "billing", lambda ch, method, *_: ch.basic_reject(method.delivery_tag, requeue=False)
    )
    result: Result = invoke("dlq", "redrive", url, "dlq", "--queue", "billing")
    assert "3 redriven, 0 refused, 1 left" in result.stdout
    assert bodies(broker, "dlq") == ["three", "one", "two", "four"]


def test_another_users_id_is_left_out(invoke: Any, broker: leveret.Broker, url: str) -> None:
    broker.users.add(User("shop", "", frozenset()))
    broker.users.set_permission("shop", "/", Permission())
    shop = broker.connect(user="shop").channel()
    shop.basic_publish("", "billing", "x", Properties(user_id="shop", app_id="a"))
    method, _, _ = broker.basic_get("billing")
    assert method is not None
    broker.basic_reject(method.delivery_tag, requeue=False)
    result: Result = invoke("dlq", "redrive", url, "dlq")
    assert (result.exit_code, "1 had another user's user_id" in result.stderr) == (0, True)
    _, properties, _ = broker.basic_get("billing")
    assert properties is not None
    assert (properties.user_id, properties.app_id) == (None, "a")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("redrive", "nowhere"), 1, "no queue 'nowhere' in vhost '/'"),
        (("list", "nowhere"), 1, "no queue 'nowhere' in vhost '/'"),
        (("redrive", "dlq", "--to", "dlq"), 2, "the letters are in queue 'dlq' already"),
        (("redrive", "dlq", "--rate", "fast"), 2, "'fast' is no rate: write 50/s"),
        (("show", "dlq", "--older-than", "long"), 2, "'long' is not a duration"),
        (("list", "dlq", "--by", "colour"), 2, "'colour' is not one of"),
        (("list", "dlq", "--header", "a='"), 2, "a: "),
    ],
)
def test_what_cannot_be_done_is_said_kindly(
    invoke: Any, url: str, arguments: tuple[str, ...], status: int, message: str
) -> None:
    command, *rest = arguments
    result: Result = invoke("dlq", command, url, *rest)
    assert (result.exit_code, message in result.stderr) == (status, True), result.stderr


def test_an_interrupted_redrive_loses_nothing(broker: leveret.Broker, url: str) -> None:
    total = 3 * WINDOW
    for number in range(total):
        die(broker, "billing", "order.1.paid", str(number))
    arguments = ("dlq", "redrive", url, "dlq", "--rate", "20/s")
    command = [sys.executable, "-m", "leveret", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        consuming = broker.channel()

        seen: list[object] = []

        def interrupt(*_: object) -> None:
            if not seen:
                os.kill(process.pid, signal.SIGINT)
            seen.append(_)

        consuming.basic_consume("billing", interrupt, auto_ack=True)
        out, err = process.communicate(timeout=TIMEOUT_S)
    assert (process.returncode, b"interrupted" in err) == (1, True), err
    redriven = int(out.split()[0])
    assert 0 < redriven == len(seen) < total
    assert bodies(broker, "dlq") == [str(number) for number in range(redriven, total)]


def test_a_lost_connection_leaves_every_letter_somewhere(
    invoke: Any, broker: leveret.Broker, url: str
) -> None:
    total = 3 * WINDOW
    for number in range(total):
        die(broker, "billing", "order.1.paid", str(number))
    ending = broker.channel()

    def end(*_: object) -> None:
        ending.basic_cancel("once")
        for connection in list(broker.connections):
            if connection is not ending.connection:
                connection.terminate(ConnectionForced("the power failed"))

    ending.basic_consume("billing", end, auto_ack=True, consumer_tag="once")
    result: Result = invoke("dlq", "redrive", url, "dlq")
    assert (result.exit_code, "the power failed" in result.stderr) == (1, True), result.stderr
    redriven = ["0", *bodies(broker, "billing")]
    stayed = bodies(broker, "dlq")
    assert {*redriven, *stayed} == {*map(str, range(total))}
    assert len(redriven) + len(stayed) - total <= WINDOW


def test_more_letters_than_are_sent_ahead_come_by_in_order(
    invoke: Any, broker: leveret.Broker, url: str
) -> None:
    total = 3 * AHEAD + 7
    for number in range(total):
        die(broker, "billing", "order.1.paid", f"{number};")
    result: Result = invoke("dlq", "show", url, "dlq", "--all", "--json")
    shown = [json.loads(line)["body"] for line in result.stdout.splitlines()]
    assert shown == [f"{number};" for number in range(total)]
    result = invoke("dlq", "redrive", url, "dlq", "--body", "3;")
    meant = [number for number in range(total) if number % 10 == 3]
    assert f"{len(meant)} redriven, 0 refused, {total - len(meant)} left" in result.stdout
    assert bodies(broker, "billing") == [f"{number};" for number in meant]
    assert bodies(broker, "dlq") == [f"{n};" for n in range(total) if n % 10 != 3]


@pytest.mark.parametrize("durable", [True, False])
def test_a_queue_that_ends_with_its_last_consumer_survives_a_look(
    invoke: Any, broker: leveret.Broker, url: str, durable: bool
) -> None:
    broker.queue_declare("fragile", durable=durable, auto_delete=True)
    broker.basic_publish("", "fragile", "one")
    result: Result = invoke("dlq", "show", url, "fragile", "--json")
    assert json.loads(result.stdout)["body"] == "one"
    assert bodies(broker, "fragile") == ["one"]


def test_a_queue_with_a_single_active_consumer_can_be_looked_at(
    invoke: Any, broker: leveret.Broker, url: str
) -> None:
    broker.queue_declare("watched", arguments={"x-single-active-consumer": True})
    busy = broker.channel()
    busy.basic_qos(prefetch_count=1)
    busy.basic_consume("watched", lambda *_: None)
    for body in ("one", "two", "three"):
        broker.basic_publish("", "watched", body)
    result: Result = invoke("dlq", "show", url, "watched", "--json")
    assert [json.loads(line)["body"] for line in result.stdout.splitlines()] == ["two", "three"]
