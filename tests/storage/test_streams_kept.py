"""What a directory keeps of streams: compact, damaged, repaired, dumped, and in little memory."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from leveret import Broker, ManualClock, Properties
from leveret.queues.stream import StreamQueue
from leveret.storage import Storage, StorageError
from leveret.storage.directory import FILE_NAME
from leveret.storage.rewriting import compact, repair
from leveret.storage.snapshot import Snapshot
from leveret.storage.survey import survey

if TYPE_CHECKING:
    from pathlib import Path

COUNT = 5000
ARGUMENTS: dict[str, Any] = {"x-queue-type": "stream", "x-stream-max-segment-size-bytes": 200_000}


def opened(directory: Path) -> tuple[Broker, Storage, StreamQueue]:
    broker = Broker(clock=ManualClock())
    storage = Storage.open(broker, directory)
    broker.queue_declare("s", durable=True, arguments=ARGUMENTS)
    queue = broker.virtual_hosts["/"].queues["s"]
    assert isinstance(queue, StreamQueue)
    return broker, storage, queue


def fill(directory: Path) -> None:
    """Publish messages, few of them in one commit, and store a group's offset."""
    broker, storage, queue = opened(directory)
    for number in range(COUNT):
        broker.basic_publish("", "s", f"m{number}", Properties(headers={"n": number}))
        if number % 50 == 0:
            storage.flush()
    queue.groups.store("g", 17)
    storage.close()


def bodies(queue: StreamQueue) -> dict[int, bytes]:
    """Return all there is: offset -> body."""
    return {offset: message.body for offset, message in queue.log}


def read(directory: Path) -> dict[int, bytes]:
    _, storage, queue = opened(directory)
    try:
        return bodies(queue)
    finally:
        storage.close()


ALL = {number: b"m%d" % number for number in range(COUNT)}


def test_a_stream_comes_back_and_is_read_when_it_is_asked_for(tmp_path: Path) -> None:
    fill(tmp_path)
    broker, storage, queue = opened(tmp_path)
    assert storage.recovery.messages == COUNT
    assert queue.log.held_count == 0
    assert bodies(queue) == ALL
    assert queue.groups.query("g") == 17
    broker.check()
    storage.close()


def test_few_messages_stay_in_memory_however_many_there_are(tmp_path: Path) -> None:
    broker, storage, queue = opened(tmp_path)
    most = 0
    for number in range(4 * COUNT):
        broker.basic_publish("", "s", b"m")
        if number % 100 == 0:
            storage.flush()
        most = max(most, queue.log.held_count)
    assert most < 6 * 1024 + 100
    storage.relieve(0)
    storage.close()


def test_confirms_wait_until_a_stream_has_the_message_on_the_disk(tmp_path: Path) -> None:
    broker, storage, _ = opened(tmp_path)
    confirmed: list[int] = []
    channel = broker.channel()
    channel.confirm_delivery(lambda tag, multiple, ack: confirmed.append(tag))
    channel.basic_publish("", "s", b"m", Properties(delivery_mode=1))
    assert confirmed == []
    storage.flush()
    assert confirmed == [1]
    storage.close()


def test_a_compact_directory_has_the_whole_stream(tmp_path: Path) -> None:
    fill(tmp_path)
    compact(tmp_path)
    _, storage, queue = opened(tmp_path)
    assert bodies(queue) == ALL
    assert queue.groups.query("g") == 17
    storage.close()


def test_a_survey_counts_a_streams_messages_and_a_dump_has_them(tmp_path: Path) -> None:
    fill(tmp_path)
    with Snapshot(tmp_path) as snapshot:
        found = survey(snapshot)
        (queue_id,) = snapshot.queues
        dumped = [message.body for message in snapshot.messages_of(queue_id)]
    assert [(queue.queue, queue.messages) for queue in found.queues] == [("s", COUNT)]
    assert found.damages == []
    assert dumped == [*ALL.values()]


def damage(directory: Path, statement: str) -> None:
    with closing(sqlite3.connect(directory / FILE_NAME)) as sql:
        sql.execute(statement)
        sql.commit()


ROW = "(SELECT number FROM chunks ORDER BY number LIMIT 1 OFFSET 3)"


@pytest.mark.parametrize(
    ("statement", "lost"),
    [
        (f"UPDATE chunks SET behind = behind + 1 WHERE number = {ROW}", 0),
        (f"UPDATE chunks SET segment = NULL WHERE number = {ROW}", 0),
        (f"UPDATE chunks SET messages = zeroblob(100) WHERE number = {ROW}", 50),
        (f"UPDATE chunks SET messages = NULL WHERE number = {ROW}", 50),
        (f"UPDATE chunks SET messages = substr(messages, 1, 2000) WHERE number = {ROW}", 50),
    ],
)
def test_what_is_whole_of_a_damaged_stream_is_kept_at_its_offsets(
    tmp_path: Path, statement: str, lost: int
) -> None:
    fill(tmp_path)
    damage(tmp_path, statement)
    with pytest.raises(StorageError, match="table chunks, row 4"):
        read(tmp_path)
    repaired = repair(tmp_path)
    assert [(each.table, each.row) for each in repaired.before.damages] == [("chunks", 4)]
    broker, storage, queue = opened(tmp_path)
    found = bodies(queue)
    assert found.items() <= ALL.items()
    assert len(found) == COUNT - lost
    got: list[object] = []
    channel = broker.channel()
    channel.basic_qos(prefetch_count=COUNT)
    channel.basic_consume(
        "s",
        lambda _, __, properties, ___: got.append((properties.headers or {})["x-stream-offset"]),
        arguments={"x-stream-offset": "first"},
    )
    assert got == [*found]
    broker.check()
    storage.close()
