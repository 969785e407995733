"""Backups while a broker writes, restoring them, and files of other versions."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from leveret import Broker, Properties
from leveret.storage import StorageError, copying, schema
from leveret.storage.copying import copy_directory
from leveret.storage.directory import FILE_NAME
from leveret.storage.rewriting import compact, repair
from leveret.storage.snapshot import Snapshot
from leveret.storage.survey import survey

if TYPE_CHECKING:
    from pathlib import Path

PERSISTENT = Properties(delivery_mode=2)


def test_a_backup_made_while_a_broker_writes_holds_one_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "STEP_PAGES", 4)
    broker = Broker(data=tmp_path / "data")
    broker.queue_declare("q")

    def publish(count: int) -> None:
        for _ in range(count):
            broker.basic_publish("", "q", b"x" * 3000, PERSISTENT)
        broker.flush()

    publish(50)
    shares: list[float] = []

    def write_meanwhile(share: float) -> None:
        shares.append(share)
        publish(1)

    copy_directory(tmp_path / "data", tmp_path / "backup", write_meanwhile)
    assert len(shares) > 5
    assert shares == sorted(shares)
    publish(1)
    broker.close()
    assert [file.name for file in (tmp_path / "backup").iterdir()] == [FILE_NAME]
    copy_directory(tmp_path / "backup", tmp_path / "restored")
    restored = Broker(data=tmp_path / "restored")
    assert restored.queue_declare("q", passive=True).message_count == 50
    restored.close()
    for directory in (tmp_path / "backup", tmp_path / "restored"):
        assert stat.S_IMODE(os.stat(directory).st_mode) == 0o700
        assert {stat.S_IMODE(file.stat().st_mode) for file in directory.iterdir()} == {0o600}


def test_a_copy_goes_to_nothing_that_is_there(tmp_path: Path) -> None:
    Broker(data=tmp_path / "data").close()
    Broker(data=tmp_path / "other").close()
    with pytest.raises(StorageError, match="other is not empty"):
        copy_directory(tmp_path / "data", tmp_path / "other")
    with pytest.raises(StorageError, match=r"no data directory: it has no leveret\.db"):
        copy_directory(tmp_path, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_everything_refuses_a_file_of_a_newer_version(tmp_path: Path) -> None:
    data = tmp_path / "data"
    Broker(data=data).close()
    with closing(sqlite3.connect(data / FILE_NAME)) as sql:
        sql.execute("PRAGMA user_version=99")
    before = (data / FILE_NAME).read_bytes()
    for attempt in (
        lambda: Broker(data=data),
        lambda: survey(Snapshot(data).__enter__()),
        lambda: repair(data),
        lambda: compact(data),
        lambda: copy_directory(data, tmp_path / "copy"),
    ):
        with pytest.raises(StorageError, match=r"newer leveret \(format 99; this one knows"):
            attempt()
    assert (data / FILE_NAME).read_bytes() == before


def test_a_file_of_an_older_version_is_brought_to_the_present_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    broker = Broker(data=data)
    broker.queue_declare("q")
    broker.basic_publish("", "q", b"kept", PERSISTENT)
    broker.close()
    monkeypatch.setattr(schema, "SCHEMA_VERSION", schema.SCHEMA_VERSION + 2)
    monkeypatch.setattr(
        schema,
        "MIGRATIONS",
        {
            schema.SCHEMA_VERSION
            - 2: "CREATE TABLE notes (note TEXT); INSERT INTO notes VALUES ('first')",
            schema.SCHEMA_VERSION - 1: "INSERT INTO notes VALUES ('second')",
        },
    )
    with pytest.raises(StorageError, match="older format"):
        repair(data)
    for _ in range(2):
        broker = Broker(data=data)
        assert broker.queue_declare("q", passive=True).message_count == 1
        broker.close()
    with closing(sqlite3.connect(data / FILE_NAME)) as sql:
        assert sql.execute("SELECT note FROM notes").fetchall() == [("first",), ("second",)]
        assert sql.execute("PRAGMA user_version").fetchone() == (schema.SCHEMA_VERSION,)


def test_a_migration_that_fails_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Broker(data=tmp_path).close()
    version = schema.SCHEMA_VERSION
    monkeypatch.setattr(schema, "SCHEMA_VERSION", version + 1)
    statements = "CREATE TABLE notes (note TEXT); INSERT INTO nowhere VALUES (1)"
    monkeypatch.setattr(schema, "MIGRATIONS", {version: statements})
    with pytest.raises(StorageError, match="cannot open"):
        Broker(data=tmp_path)
    monkeypatch.undo()
    Broker(data=tmp_path).close()
