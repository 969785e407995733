"""Damage of every kind, anywhere: it is found, and what is whole is kept.

One small directory is damaged in all ways; what it held is known. The check either finds the
damage, or nothing was damaged that counts. After a repair a broker opens the directory, and what it
has is true: messages that were published, each once, in their order.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from attrs import frozen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leveret import Broker, ManualClock, Properties
from leveret.storage import Storage, StorageError
from leveret.storage.records import decode_entries
from leveret.storage.rewriting import compact, repair
from leveret.storage.schema import BLOCK_BYTES
from leveret.storage.snapshot import Snapshot
from leveret.storage.survey import Survey, survey

if TYPE_CHECKING:
    from pathlib import Path

PERSISTENT = Properties(delivery_mode=2, headers={"a": 1})
PAGE_BYTES = 4096
FRAME_BYTES = 24 + PAGE_BYTES
#: Multiplies the number of examples.
FACTOR = int(os.environ.get("LEVERET_MODEL_FACTOR", "1"))
QUEUES = "SELECT key FROM objects WHERE kind = 'queue'"


@frozen
class Kept:
    """An undamaged directory, and what is in it."""

    directory: Path
    #: queue -> bodies in order
    alive: dict[str, list[bytes]]
    #: queue -> bodies in order, with those that were acknowledged
    published: dict[str, list[bytes]]
    survey: Survey

    def copied(self, target: Path) -> Path:
        """Return a copy that can be damaged."""
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(self.directory, target)
        return target


def fill(directory: Path) -> tuple[Broker, Storage]:
    broker = Broker(clock=ManualClock())
    storage = Storage.open(broker, directory)
    broker.exchange_declare("all", "fanout", durable=True)
    for queue in ("a", "b"):
        broker.queue_declare(queue)
        broker.queue_bind(queue, "all")
    for number in range(40):
        size = 3 * BLOCK_BYTES if number % 9 == 4 else 50 * (number % 7)
        exchange, key = ("all", "") if number % 3 else ("", "b")
        for part in range(3):
            broker.basic_publish(exchange, key, b"%d.%d " % (number, part) * (size // 5 + 1))
            body = b"%d.%d " % (number, part) * (size // 5 + 1)
            broker.basic_publish(exchange, key, body, PERSISTENT)
        if number % 4 == 0:
            broker.basic_get("b", auto_ack=True)
        storage.flush()
    # Of those that are kept, one was with a consumer, and one came back.
    for _ in range(3):
        broker.basic_get("b")
    method, _, _ = broker.basic_get("b")
    assert method is not None
    broker.basic_nack(method.delivery_tag)
    storage.flush()
    return broker, storage


def contents(directory: Path) -> dict[str, list[bytes]]:
    with Snapshot(directory) as snapshot:
        snapshot.load()
        return {
            name: [message.body for message in snapshot.messages_of(number)]
            for number, (_, name) in snapshot.queues.items()
        }


def surveyed(directory: Path) -> Survey:
    with Snapshot(directory) as snapshot:
        return survey(snapshot)


def published(directory: Path) -> dict[str, list[bytes]]:
    found: dict[str, dict[int, bytes]] = {}
    with Snapshot(directory) as snapshot:
        snapshot.load()
        for group in snapshot.messages():
            for number, message, position, *_ in decode_entries(group.messages):
                found.setdefault(snapshot.queues[number][1], {})[position] = message.body
    return {name: [bodies[at] for at in sorted(bodies)] for name, bodies in found.items()}


@pytest.fixture(scope="module", params=["in the file", "in the log"])
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """Return a directory, checkpointed or as a crash leaves it."""
    path = tmp_path_factory.mktemp("kept")
    _, storage = fill(path / "served")
    if request.param == "in the log":
        shutil.copytree(path / "served", path / "data")
        storage.close()
    else:
        storage.close()
        (path / "served").rename(path / "data")
    data = path / "data"
    return Kept(data, contents(data), published(data), surveyed(data))


def opened(directory: Path) -> dict[str, list[bytes]]:
    """Return what a broker has that is started with a directory."""
    broker = Broker(clock=ManualClock())
    storage = Storage.open(broker, directory)
    host = broker.virtual_hosts.get("/")
    queues = {} if host is None else host.queues
    found = {name: [entry.message.body for entry in queue.ready] for name, queue in queues.items()}
    broker.check()
    storage.close()
    return found


def is_part(part: list[bytes], whole: list[bytes]) -> bool:
    """Say whether all of `part` is in `whole`, in that order."""
    rest = iter(whole)
    return all(item in rest for item in part)


def assert_found_and_repaired(kept: Kept, directory: Path) -> None:
    try:
        found = surveyed(directory)
    except StorageError as error:  # a number of a version, changed, may be that of a newer one
        if "newer leveret" not in str(error):
            raise
        return
    if not found.damages:
        assert opened(directory) == kept.alive
        return
    done = repair(directory)
    assert done.before.damages
    assert done.kept_as is not None
    again = surveyed(directory)
    assert not again.damages
    assert again.messages == done.before.messages
    for name, bodies in opened(directory).items():
        assert is_part(bodies, kept.published[name]), name
    assert surveyed(directory).messages == again.messages


ANY_PLACE = st.floats(0, 1, exclude_max=True)
CLEAN = settings(
    deadline=None,
    max_examples=20 * FACTOR,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@CLEAN
@given(where=ANY_PLACE, bits=st.integers(1, 255), length=st.integers(1, 64))
def test_bytes_that_changed_anywhere_are_found_or_do_not_count(
    kept: Kept, tmp_path: Path, where: float, bits: int, length: int
) -> None:
    directory = kept.copied(tmp_path / "data")
    file = directory / "leveret.db"
    data = bytearray(file.read_bytes())
    at = int(where * len(data))
    for index in range(at, min(at + length, len(data))):
        data[index] ^= bits
    file.write_bytes(data)
    assert_found_and_repaired(kept, directory)


@pytest.mark.parametrize("share", [0.4, 0.6, 0.8])
@pytest.mark.parametrize("offset", [0, 9, 17, 24, 2000])
def test_a_damaged_frame_of_the_log_is_found_and_what_follows_it_is_kept(
    tmp_path: Path, share: float, offset: int
) -> None:
    served, directory = tmp_path / "served", tmp_path / "data"
    broker = Broker(clock=ManualClock())
    storage = Storage.open(broker, served)
    broker.queue_declare("a")
    bodies = [b"%03d" % number * 400 for number in range(30)]
    for body in bodies:
        broker.basic_publish("", "a", body, PERSISTENT)
        storage.flush()
    shutil.copytree(served, directory)
    storage.close()
    log = directory / "leveret.db-wal"
    content = bytearray(log.read_bytes())
    frames = (len(content) - 32) // FRAME_BYTES
    content[32 + int(share * frames) * FRAME_BYTES + offset] ^= 1
    log.write_bytes(content)
    with pytest.raises(StorageError, match=r"leveret\.db-wal is damaged: frame"):
        Storage.open(Broker(clock=ManualClock()), directory)
    done = repair(directory)
    assert any("leveret.db-wal: frame " in damage.message for damage in done.before.damages)
    assert not surveyed(directory).damages
    (left,) = opened(directory).values()
    assert is_part(left, bodies)
    assert left[-1] == bodies[-1]
    assert len(left) > 20


@CLEAN
@given(where=ANY_PLACE)
def test_a_file_that_ends_too_early_is_found_and_repaired(
    kept: Kept, tmp_path: Path, where: float
) -> None:
    directory = kept.copied(tmp_path / "data")
    file = directory / "leveret.db"
    with file.open("r+b") as stream:
        stream.truncate(int(where * file.stat().st_size))
    assert_found_and_repaired(kept, directory)


@CLEAN
@given(data=st.data())
def test_a_page_with_the_contents_of_another_is_found_and_repaired(
    kept: Kept, tmp_path: Path, data: st.DataObject
) -> None:
    directory = kept.copied(tmp_path / "data")
    file = directory / "leveret.db"
    pages = st.integers(0, file.stat().st_size // PAGE_BYTES - 1)
    source, target = data.draw(pages), data.draw(pages)
    content = bytearray(file.read_bytes())
    page = content[source * PAGE_BYTES : (source + 1) * PAGE_BYTES]
    content[target * PAGE_BYTES : (target + 1) * PAGE_BYTES] = page
    file.write_bytes(content)
    assert_found_and_repaired(kept, directory)


def test_each_torn_page_costs_no_more_than_the_groups_on_it(kept: Kept, tmp_path: Path) -> None:
    if (kept.directory / "leveret.db-wal").exists():
        return
    sizes = []
    total = sum(map(len, kept.alive.values()))
    for page in range((kept.directory / "leveret.db").stat().st_size // PAGE_BYTES):
        directory = kept.copied(tmp_path / "data")
        with (directory / "leveret.db").open("r+b") as stream:
            stream.seek(page * PAGE_BYTES)
            stream.write(bytes(PAGE_BYTES))
        assert_found_and_repaired(kept, directory)
        with closing(sqlite3.connect(directory / "leveret.db")) as sql:
            names = [json.loads(key)[1] for (key,) in sql.execute(QUEUES)]
        if sorted(names) == ["a", "b"]:
            sizes.append(total - sum(map(len, contents(directory).values())))
    assert len(sizes) > 10
    assert max(sizes) < total / 2
    assert sorted(sizes)[len(sizes) // 2] < total / 8


def changed(directory: Path, statement: str) -> None:
    with closing(sqlite3.connect(directory / "leveret.db")) as sql, sql:
        assert sql.execute(statement).rowcount != 0


#: What is done to a directory -> what is said of it.
CHANGES = {
    "UPDATE objects SET value = CAST(x'00' || value AS BLOB) WHERE key = '[\"/\", \"a\"]'": (
        "objects",
        'queue ["/", "a"]',
    ),
    "DELETE FROM objects WHERE kind = 'exchange'": (
        "objects",
        'binding ["/", "all", "queue", "a", "a", "()"]: there is no exchange / all',
    ),
    "DELETE FROM objects WHERE kind = 'virtual_host'": (
        "objects",
        'virtual_host ["/"] is missing, and made again',
    ),
    "UPDATE objects SET checksum = NULL WHERE kind = 'user'": ("objects", 'user ["guest"]'),
    "UPDATE groups SET settled = CAST(settled || x'00' AS BLOB) WHERE number = 9": (
        "groups",
        "what became of earlier messages: some may come back that were acknowledged",
    ),
    "UPDATE groups SET delivered = 'text' WHERE number = 9": (
        "groups",
        "what became of earlier messages: some may come back that were acknowledged",
    ),
    "UPDATE groups SET messages = CAST(messages || x'00' AS BLOB) WHERE number = 9": (
        "groups",
        "messages",
    ),
    "UPDATE groups SET messages = NULL WHERE number = 9": (
        "groups",
        "the messages cannot be read",
    ),
    "UPDATE groups SET number = 99 WHERE number = 9": ("groups", "messages"),
    "PRAGMA user_version = 0": ("", "it names no format version"),
    "DROP TABLE groups": ("", "its tables are not those of this format"),
}


@pytest.mark.parametrize("statement", CHANGES)
def test_a_damage_is_named_with_its_place_and_repaired(
    kept: Kept, tmp_path: Path, statement: str
) -> None:
    directory = kept.copied(tmp_path / "data")
    changed(directory, statement)
    found = [(damage.table, damage.message) for damage in surveyed(directory).damages]
    assert CHANGES[statement] in found
    assert_found_and_repaired(kept, directory)


def test_of_a_damaged_group_the_messages_around_the_damage_are_kept(tmp_path: Path) -> None:
    broker = Broker(clock=ManualClock())
    storage = Storage.open(broker, tmp_path)
    broker.queue_declare("q")
    bodies = [b"%03d" % number * 341 for number in range(200)]
    for body in bodies:
        broker.basic_publish("", "q", body, PERSISTENT)
    storage.close()
    with closing(sqlite3.connect(tmp_path / "leveret.db")) as sql, sql:
        ((number, messages),) = sql.execute("SELECT number, messages FROM groups").fetchall()
        at = messages.index(b"077" * 100)
        damaged = messages[:at] + b"X" + messages[at + 1 :]
        sql.execute("UPDATE groups SET messages = ? WHERE number = ?", (damaged, number))
    (damage,) = surveyed(tmp_path).damages
    assert (damage.table, damage.row) == ("groups", number)
    assert not damage.loses_more
    repair(tmp_path)
    (left,) = opened(tmp_path).values()
    assert bodies[77] not in left
    assert len(bodies) - len(left) == sum(lost for _, _, lost in damage.lost)
    assert len(left) > 180
    assert is_part(left, bodies)


def test_where_what_was_delivered_is_not_known_all_comes_back_as_redelivered(
    kept: Kept, tmp_path: Path
) -> None:
    directory = kept.copied(tmp_path / "data")
    changed(directory, "UPDATE groups SET settled = NULL WHERE number = 9")
    repair(directory)
    broker = Broker(clock=ManualClock())
    storage = Storage.open(broker, directory)
    ready = broker.virtual_hosts["/"].queues["a"].ready
    assert all(entry.redelivered for entry in ready)
    broker.basic_publish("", "a", b"new", PERSISTENT)
    assert not [*ready][-1].redelivered
    storage.close()


def test_the_damaged_file_is_kept_and_opens_as_before(kept: Kept, tmp_path: Path) -> None:
    directory = kept.copied(tmp_path / "data")
    for number in (1, 2):
        changed(
            directory,
            "UPDATE groups SET messages = NULL WHERE number = (SELECT max(number)"
            " FROM groups WHERE length(messages) > 0)",
        )
        before = surveyed(directory)
        done = repair(directory)
        assert done.kept_as == directory / f"leveret.db.damaged-{number}"
        other = tmp_path / f"other-{number}"
        other.mkdir()
        for file in directory.glob(f"leveret.db.damaged-{number}*"):
            rest = file.name.removeprefix(f"leveret.db.damaged-{number}")
            shutil.copy(file, other / f"leveret.db{rest}")
        assert surveyed(other).messages == before.messages


def test_compacting_keeps_what_is_alive_and_nothing_else(kept: Kept, tmp_path: Path) -> None:
    directory = kept.copied(tmp_path / "data")
    compact(directory)
    now = surveyed(directory)
    assert (now.objects, now.queues) == (kept.survey.objects, kept.survey.queues)
    assert (kept.survey.dead_messages > 0, now.dead_messages) == (True, 0)
    broker = Broker(clock=ManualClock())
    storage = Storage.open(broker, directory)
    ready = [*broker.virtual_hosts["/"].queues["b"].ready]
    assert [entry.redelivered for entry in ready] == [True, True] + [False] * (len(ready) - 2)
    positions = [entry.position for entry in ready]
    assert all(first < second for first, second in pairwise(positions))
    storage.close()
    assert opened(directory) == kept.alive


def test_compacting_refuses_what_is_damaged_or_in_use(kept: Kept, tmp_path: Path) -> None:
    directory = kept.copied(tmp_path / "data")
    storage = Storage.open(Broker(clock=ManualClock()), directory)
    for rewrite in (compact, repair):
        with pytest.raises(StorageError, match="in use by another broker"):
            rewrite(directory)
    storage.close()
    changed(directory, "UPDATE groups SET messages = NULL WHERE number = 9")
    with pytest.raises(StorageError, match=r"'leveret storage repair .*' comes first"):
        compact(directory)
