"""A served broker with a data directory: group commits, a disk that refuses, little space."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
from amqp_clients import eventually, published

import leveret
from leveret.server import ServerLimits
from leveret.wire.frames import method_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from amqp_clients import RawClient

    from leveret.server.background import RunningServer

    Connect = Callable[[RunningServer], RawClient]


class Disk:
    """Stands between a broker's storage and its disk; refuses on demand."""

    def __init__(self, database: Any) -> None:
        self.full = False
        self._execute = database._sql.execute
        self._connection = database._sql
        database._sql = self

    def execute(self, statement: str, *values: Any) -> Any:
        if self.full and statement == "COMMIT":
            raise sqlite3.OperationalError("database or disk is full")
        return self._execute(statement, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[leveret.Broker]:
    """Make a broker with a data directory."""
    made = leveret.Broker(data=tmp_path / "data")
    made.queue_declare("q")
    made.flush()
    yield made
    made.close()


@pytest.fixture
def disk(broker: leveret.Broker) -> Disk:
    """Put something between the broker and its disk."""
    assert broker.storage is not None
    return Disk(broker.storage.database)


def persistent(body: bytes = b"x") -> bytes:
    """Return a persistent message to queue q in frames."""
    return published("q", body, properties=leveret.Properties(delivery_mode=2))


def test_confirms_come_over_the_wire_and_what_they_confirm_survives(
    broker: leveret.Broker, serve: Any, raw: Connect, tmp_path: Path
) -> None:
    client = raw(serve()).log_in()
    client.call("confirm.select")
    client.send(persistent(b"one") + persistent(b"two"))
    answer = client.method()
    while not (answer.delivery_tag == 2 and answer.name == "basic.ack"):
        answer = client.method()
    # the very bytes on the disk, as another process would find them after a crash here
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in (tmp_path / "data").glob("leveret.db*"):
        (copy / file.name).write_bytes(file.read_bytes())
    after_crash = leveret.Broker(data=copy)
    bodies = [after_crash.basic_get("q")[2] for _ in range(3)]
    assert bodies == [b"one", b"two", None]
    after_crash.close()


def test_a_full_disk_stops_confirms_and_publishers_but_no_consumer_until_it_has_space(
    disk: Disk, serve: Any, raw: Connect
) -> None:
    server = serve()
    publisher = raw(server).log_in(connection__blocked=True)
    consumer = raw(server).log_in()
    publisher.call("confirm.select")
    disk.full = True
    publisher.send(persistent(b"waits"))
    eventually(lambda: server.server.alarms == {"disk"}, server)
    publisher.send(persistent(b"the first still passes"))
    blocked = publisher.method()
    assert blocked.name == "connection.blocked"
    assert blocked.reason == "low on disk"
    consumer.send(method_frame(1, "basic.get", queue="q", no_ack=True))
    assert consumer.method().name == "basic.get-ok"
    disk.full = False
    names = {publisher.method().name, publisher.method().name}
    assert names == {"basic.ack", "connection.unblocked"}


def test_publishers_are_stopped_while_little_space_is_free(
    broker: leveret.Broker, serve: Any, raw: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert broker.storage is not None
    free = [1000]
    monkeypatch.setattr(type(broker.storage), "free_bytes", lambda self: free[0])
    server = serve(limits=ServerLimits(disk_free_bytes=2000))
    eventually(lambda: server.server.alarms == {"disk"}, server)
    publisher = raw(server).log_in(connection__blocked=True)
    publisher.send(persistent())
    assert publisher.method().reason == "low on disk"
    free[0] = 3000
    assert publisher.method().name == "connection.unblocked"


def test_what_is_done_in_process_is_written_by_the_server_too(
    broker: leveret.Broker, serve: Any
) -> None:
    server = serve()
    confirmed: list[int] = []
    channel = broker.channel()
    channel.confirm_delivery(lambda tag, multiple, taken: confirmed.append(tag))
    channel.basic_publish("", "q", b"x", leveret.Properties(delivery_mode=2))
    eventually(lambda: confirmed == [1], server)
    channel.basic_publish("", "q", b"x", leveret.Properties(delivery_mode=2))
    broker.flush()
    eventually(lambda: confirmed == [1, 2], server)
