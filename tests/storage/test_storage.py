"""A broker whose data directory is opened again: what S39 promises, and messages with it."""

from __future__ import annotations

import os
import sqlite3
import stat
from typing import TYPE_CHECKING

import pytest

from leveret import Broker, ManualClock, Properties
from leveret.engine.permissions import Permission, User
from leveret.engine.policies import Policy
from leveret.storage import Storage, StorageError

if TYPE_CHECKING:
    from pathlib import Path

PERSISTENT = Properties(delivery_mode=2)


def opened(path: Path, clock: ManualClock | None = None) -> tuple[Broker, Storage]:
    broker = Broker(clock=clock or ManualClock())
    return broker, Storage.open(broker, path)


def bodies(broker: Broker, queue: str) -> list[bytes]:
    host = broker.virtual_hosts["/"]
    return [entry.message.body for entry in host.queues[queue].ready]


def crash(storage: Storage) -> None:
    """Let the directory go without writing what was gathered."""
    storage.database.close()


def test_s39_durable_objects_come_back_and_transient_ones_do_not(tmp_path: Path) -> None:
    broker, storage = opened(tmp_path)
    broker.exchange_declare("x", "topic", durable=True)
    broker.exchange_declare("t", "topic")
    broker.queue_declare("q", arguments={"x-max-priority": 3})
    broker.queue_declare("gone", durable=False)
    broker.queue_bind("q", "x", "a.#")
    broker.queue_bind("q", "t", "a.#")
    broker.queue_bind("gone", "x", "#")
    broker.add_virtual_host("other")
    broker.users.add(User("u"))
    broker.users.set_permission("u", "other", Permission(write="^x"))
    broker.virtual_hosts["/"].set_policy(Policy("p", "^q", {"max-length": 5}))
    storage.close()
    broker, storage = opened(tmp_path)
    host = broker.virtual_hosts["/"]
    assert list(host.queues) == ["q"]
    assert "t" not in host.exchanges
    assert [(b.source, b.destination, b.routing_key) for b in host.bindings] == [("x", "q", "a.#")]
    assert host.queues["q"].settings.max_priority == 3
    assert host.queues["q"].settings.max_length == 5
    access = broker.users.access("u", "other")
    assert access is not None
    assert access.permission.write == "^x"
    broker.check()
    storage.close()


def test_persistent_messages_come_back_in_order_and_others_do_not(tmp_path: Path) -> None:
    broker, storage = opened(tmp_path)
    broker.queue_declare("q")
    for n in range(5):
        broker.basic_publish("", "q", b"%d" % n, PERSISTENT if n != 2 else None)
        storage.flush()
    broker.basic_get("q", auto_ack=True)
    storage.flush()
    crash(storage)
    broker, storage = opened(tmp_path)
    assert bodies(broker, "q") == [b"1", b"3", b"4"]
    method, properties, _ = broker.basic_get("q")
    assert method is not None
    assert properties is not None
    assert properties.delivery_mode == 2
    assert not method.redelivered
    storage.flush()
    crash(storage)
    broker, storage = opened(tmp_path)
    method, _, body = broker.basic_get("q")
    assert method is not None
    assert (body, method.redelivered) == (b"1", True)
    method, _, _ = broker.basic_get("q")
    assert method is not None
    assert not method.redelivered
    storage.close()


def test_a_message_settled_before_its_group_is_written_never_is(tmp_path: Path) -> None:
    broker, storage = opened(tmp_path)
    broker.queue_declare("q")
    storage.flush()
    broker.basic_publish("", "q", b"x", PERSISTENT)
    broker.basic_get("q", auto_ack=True)
    group = storage.journal.seal()
    assert (group.messages, group.settled) == (b"", b"")
    storage.close()


def test_a_body_is_stored_once_for_all_its_queues(tmp_path: Path) -> None:
    broker, storage = opened(tmp_path)
    for n in range(3):
        broker.queue_declare(f"q{n}")
        broker.queue_bind(f"q{n}", "amq.fanout")
    broker.basic_publish("amq.fanout", "", b"y" * 1000, PERSISTENT)
    group = storage.journal.seal()
    assert group.messages.count(b"y" * 1000) == 1
    storage.database.write(group)
    crash(storage)
    broker, storage = opened(tmp_path)
    for n in range(3):
        assert bodies(broker, f"q{n}") == [b"y" * 1000]
    storage.close()


def test_confirms_wait_for_the_disk(tmp_path: Path) -> None:
    broker, storage = opened(tmp_path)
    broker.queue_declare("q")
    channel = broker.channel()
    confirmed: list[int] = []
    channel.confirm_delivery(lambda tag, multiple, taken: confirmed.append(tag))
    channel.basic_publish("", "q", b"x", PERSISTENT)
    assert confirmed == []
    storage.flush()
    assert confirmed == [1]
    storage.close()


def test_time_spent_down_counts_and_dead_letters_keep_their_history(tmp_path: Path) -> None:
    clock = ManualClock()
    broker, storage = opened(tmp_path, clock)
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
    broker.queue_declare("q", arguments={**arguments, "x-message-ttl": 1000})
    broker.queue_declare("dead")
    broker.basic_publish("", "q", b"x", PERSISTENT)
    storage.close()
    clock = ManualClock()
    clock.advance(seconds=2)
    broker, storage = opened(tmp_path, clock)
    assert bodies(broker, "q") == []
    assert bodies(broker, "dead") == [b"x"]
    crash(storage)
    broker, storage = opened(tmp_path, clock)
    assert bodies(broker, "q") == []
    _, properties, _ = broker.basic_get("dead")
    assert properties is not None
    assert properties.headers is not None
    assert properties.headers["x-first-death-reason"] == "expired"
    storage.close()


def test_delivery_counts_survive(tmp_path: Path) -> None:
    broker, storage = opened(tmp_path)
    broker.queue_declare("q", arguments={"x-queue-type": "quorum"})
    broker.basic_publish("", "q", b"x")
    storage.flush()
    method, _, _ = broker.basic_get("q")
    assert method is not None
    broker.basic_reject(method.delivery_tag)
    storage.close()
    broker, storage = opened(tmp_path)
    (entry,) = broker.virtual_hosts["/"].queues["q"].ready
    assert (entry.delivery_count, entry.redelivered) == (1, True)
    storage.close()


def test_a_deleted_queue_and_its_messages_stay_gone(tmp_path: Path) -> None:
    broker, storage = opened(tmp_path)
    broker.queue_declare("q")
    broker.basic_publish("", "q", b"x", PERSISTENT)
    storage.flush()
    broker.queue_delete("q")
    broker.queue_declare("q")
    storage.close()
    broker, storage = opened(tmp_path)
    assert bodies(broker, "q") == []
    assert list(storage.database.groups()) == []
    storage.close()


def test_one_old_message_does_not_keep_all_that_came_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leveret.storage.journal.COMPACT_FROM", 1000)
    monkeypatch.setattr("leveret.storage.journal.COMPACT_EVERY", 1)
    broker, storage = opened(tmp_path)
    broker.queue_declare("old")
    broker.queue_declare("q")
    broker.basic_publish("", "old", b"old", PERSISTENT)
    for _ in range(300):
        broker.basic_publish("", "q", b"z" * 100, PERSISTENT)
        storage.flush()
        broker.basic_get("q", auto_ack=True)
        storage.flush()
        storage.journal.check()
    assert len(list(storage.database.groups())) < 60
    crash(storage)
    broker, storage = opened(tmp_path)
    assert bodies(broker, "old") == [b"old"]
    assert bodies(broker, "q") == []
    storage.close()


def test_files_are_private_and_two_brokers_never_share_a_directory(tmp_path: Path) -> None:
    path = tmp_path / "data"
    _, storage = opened(path)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.iterdir()} == {0o600}
    with pytest.raises(StorageError, match="in use by another broker"):
        opened(path)
    storage.close()


def test_a_directory_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    opened(tmp_path)[1].close()
    with sqlite3.connect(tmp_path / "leveret.db") as sql:
        sql.execute("PRAGMA user_version=99")
    sql.close()
    with pytest.raises(StorageError, match="newer leveret"):
        opened(tmp_path)


def test_damage_is_reported_with_its_place(tmp_path: Path) -> None:
    broker, storage = opened(tmp_path)
    broker.queue_declare("q")
    broker.basic_publish("", "q", b"x", PERSISTENT)
    storage.close()
    with sqlite3.connect(tmp_path / "leveret.db") as sql:
        sql.execute("UPDATE groups SET messages = CAST(messages || x'00' AS BLOB)")
    sql.close()
    with pytest.raises(StorageError, match=r"leveret\.db is damaged: table groups, row"):
        opened(tmp_path)


def test_space_is_given_back_while_the_broker_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leveret.storage.database.VACUUM_FROM_PAGES", 64)
    broker, storage = opened(tmp_path)
    broker.queue_declare("q")
    for _ in range(100):
        broker.basic_publish("", "q", b"x" * 20_000, PERSISTENT)
        storage.flush()
    broker.queue_purge("q")
    for _ in range(50):
        broker.basic_publish("", "q", b"y", PERSISTENT)
        storage.flush()
    (pages,) = storage.database._sql.execute("PRAGMA page_count").fetchone()
    assert pages < 150
    crash(storage)
    assert (tmp_path / "leveret.db").stat().st_size < 700_000
    broker, storage = opened(tmp_path)
    assert bodies(broker, "q") == [b"y"] * 50
    storage.close()
