"""`leveret storage`: what it prints, what it changes, exit statuses."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from leveret import Broker, Properties

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Invoke

PERSISTENT = Properties(delivery_mode=2)
LINES = [
    {
        "exchange": "",
        "routing_key": "orders",
        "headers": {"n": 1},
        "properties": {"content_type": "text/plain", "delivery_mode": 2},
        "body": "first",
    },
    {
        "exchange": "",
        "routing_key": "orders",
        "properties": {"delivery_mode": 2},
        "body_base64": "/w==",
    },
]


@pytest.fixture
def data(folder: Path) -> Path:
    """Make a directory with two messages in a queue, and one that is gone."""
    broker = Broker(data=folder / "data")
    broker.queue_declare("orders")
    broker.queue_declare("other", arguments={"x-max-priority": 3})
    for body in (b"gone", b"first", b"\xff"):
        properties = PERSISTENT
        if body == b"first":
            properties = Properties(content_type="text/plain", delivery_mode=2, headers={"n": 1})
        broker.basic_publish("", "orders", body, properties)
        broker.flush()
    broker.basic_get("orders", auto_ack=True)
    broker.close()
    return folder / "data"


def damage(data: Path, statement: str = "UPDATE groups SET messages = x'00'") -> None:
    with closing(sqlite3.connect(data / "leveret.db")) as sql, sql:
        sql.execute(
            f"{statement} WHERE number = (SELECT max(number) FROM groups"
            " WHERE length(messages) > 0)"
        )


def test_check_says_what_a_directory_holds(invoke: Invoke, data: Path) -> None:
    result = invoke("storage", "check", "data")
    assert result.exit_code == 0
    assert "5 objects, 2 queues, 2 messages (6 bytes); " in result.stdout
    found = json.loads(invoke("storage", "check", "data", "--json").stdout)
    assert found["queues"] == [
        {"vhost": "/", "queue": "orders", "messages": 2, "body_bytes": 6},
        {"vhost": "/", "queue": "other", "messages": 0, "body_bytes": 0},
    ]
    assert (found["messages"], found["damages"]) == (2, [])


def test_check_names_damage_and_repair_mends_it(invoke: Invoke, data: Path) -> None:
    damage(data)
    result = invoke("storage", "check", "data")
    assert result.exit_code == 1
    assert "data/leveret.db, table groups, row " in result.stderr
    assert "'leveret storage repair data' keeps all that is whole" in result.stderr
    (found,) = json.loads(invoke("storage", "check", "data", "--json").stdout)["damages"]
    assert (found["table"], found["message"], found["loses_more"]) == ("groups", "messages", True)
    dry = invoke("storage", "repair", "data", "--dry-run")
    assert (dry.exit_code, dry.stdout) == (1, "would be repaired\n")
    assert not (data / "leveret.db.damaged-1").exists()
    result = invoke("storage", "repair", "data")
    assert result.exit_code == 0
    assert result.stdout == (
        "repaired: 1 message and 5 objects kept; the damaged file is data/leveret.db.damaged-1\n"
    )
    assert "row " in result.stderr
    assert invoke("storage", "check", "data").exit_code == 0
    assert invoke("storage", "repair", "data").stdout == "nothing is damaged\n"
    assert Broker(data=data).basic_get("orders")[2] == b"first"


def test_what_is_lost_is_counted_for_each_queue(invoke: Invoke, data: Path) -> None:
    damage(
        data,
        "UPDATE groups SET messages = CAST(substr(messages, 1, length(messages) - 1)"
        " || x'00' AS BLOB)",
    )
    stderr = invoke("storage", "check", "data").stderr
    assert ": messages; lost: " in stderr


def test_a_broker_that_finds_damage_says_what_to_do(invoke: Invoke, data: Path) -> None:
    damage(data)
    result = invoke("serve", "--data", "data", "--port", "0")
    assert result.exit_code == 2
    assert "data/leveret.db is damaged: table groups, row " in result.stderr
    assert "'leveret storage check data'" in result.stderr
    assert "'leveret storage repair data'" in result.stderr


def test_dump_prints_messages_as_get_does(invoke: Invoke, data: Path, folder: Path) -> None:
    result = invoke("storage", "dump", "data", "--queue", "orders")
    assert (result.exit_code, result.stderr) == (0, "")
    assert [json.loads(line) for line in result.stdout.splitlines()] == LINES
    invoke("storage", "dump", "data", "--queue", "orders", "-o", "out.jsonl")
    assert (folder / "out.jsonl").read_text(encoding="utf-8") == result.stdout
    missing = invoke("storage", "dump", "data", "--queue", "order")
    assert missing.exit_code == 1
    assert missing.stderr == "there is no queue 'order' in '/', but 'orders', 'other'\n"


def test_dump_prints_objects_without_passwords(invoke: Invoke, data: Path) -> None:
    assert invoke("storage", "dump", "data").stdout == (
        'virtual_host "/"\n'
        'user "guest" {"tags": ["administrator"]}\n'
        'permission "guest" "/" {"configure": ".*", "write": ".*", "read": ".*"}\n'
        'queue "/" "orders": 2 messages, 6 bytes {"auto_delete": false, "arguments": {}}\n'
        'queue "/" "other": 0 messages, 0 bytes'
        ' {"auto_delete": false, "arguments": {"x-max-priority": 3}}\n'
    )
    found = json.loads(invoke("storage", "dump", "data", "--json").stdout)
    assert found[3] == {
        "kind": "queue",
        "key": ["/", "orders"],
        "value": {"auto_delete": False, "arguments": {}},
        "messages": 2,
        "body_bytes": 6,
    }
    assert "password" not in json.dumps(found)


def test_dump_leaves_out_what_is_damaged_and_says_so(invoke: Invoke, data: Path) -> None:
    damage(data)
    result = invoke("storage", "dump", "data", "--queue", "orders")
    assert result.exit_code == 1
    assert [json.loads(line) for line in result.stdout.splitlines()] == LINES[:1]
    assert "table groups, row " in result.stderr


def test_compact_says_what_was_gained(invoke: Invoke, data: Path) -> None:
    broker = Broker(data=data)
    for _ in range(100):
        broker.basic_publish("", "orders", b"x" * 10_000, PERSISTENT)
    broker.flush()
    broker.queue_purge("orders")
    broker.basic_publish("", "orders", b"left", PERSISTENT)
    broker.close()
    result = invoke("storage", "compact", "data")
    assert result.exit_code == 0
    before, after = (int(part.split()[0].replace(",", "")) for part in result.stdout.split(", "))
    assert after < before
    (line,) = invoke("storage", "dump", "data", "--queue", "orders").stdout.splitlines()
    assert json.loads(line)["body"] == "left"


def test_backup_and_restore(invoke: Invoke, data: Path) -> None:
    broker = Broker(data=data)
    assert invoke("storage", "backup", "data", "copy").exit_code == 0
    result = invoke("storage", "repair", "data")
    assert result.exit_code == 0 or "in use" in result.stderr
    broker.close()
    result = invoke("storage", "restore", "copy", "data")
    assert result.exit_code == 2
    assert "data is not empty" in result.stderr
    result = invoke("storage", "restore", "copy", "again")
    assert result.exit_code == 0
    assert "2 messages" in result.stdout
    dumped = [
        invoke("storage", "dump", name, "--queue", "orders").stdout
        for name in ("data", "copy", "again")
    ]
    assert dumped == dumped[:1] * 3


@pytest.mark.parametrize("command", ["check", "repair", "compact", "dump"])
def test_a_directory_without_a_database_is_refused(
    invoke: Invoke, folder: Path, command: str
) -> None:
    result = invoke("storage", command, ".")
    assert result.exit_code == 2
    assert "is no data directory" in result.stderr
    assert not (folder / "lock").exists()
