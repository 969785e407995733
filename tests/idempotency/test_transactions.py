"""Records that are written in the transaction of an effect, whatever the transaction comes to."""

from __future__ import annotations

import sqlite3
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import MetaData, create_engine, text
from sqlalchemy.orm import Session
from tests.idempotency.test_seen import Delivered

from leveret import ManualClock
from leveret.idempotency import NoIdentityError, forget_expired, once
from leveret.idempotency.sqlalchemy_records import seen_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Database:
    """A SQLite file with effects in it, by way of one library."""

    def __init__(self, file: Path, library: str) -> None:
        self.file, self.library = file, library
        self.engine = create_engine(f"sqlite:///{file}")
        with sqlite3.connect(file) as sql:
            sql.execute("CREATE TABLE effects (body TEXT)")
        sql.close()
        metadata = MetaData()
        assert seen_table(metadata) is seen_table(metadata)
        if library != "sqlite3":
            metadata.create_all(self.engine)

    def begin(self) -> Any:
        if self.library == "sqlite3":
            return sqlite3.connect(self.file, timeout=60)
        return Session(self.engine) if self.library == "orm" else self.engine.connect()

    def write(self, connection: Any, body: str) -> None:
        if self.library == "sqlite3":
            connection.execute("INSERT INTO effects VALUES (?)", (body,))
        else:
            connection.execute(text("INSERT INTO effects VALUES (:body)"), {"body": body})

    def handle(self, body: str, *, commit: bool = True, **options: Any) -> bool:
        """Do what a handler does; return whether it had an effect."""
        connection = self.begin()
        try:
            first = once(Delivered(body), connection, **options)
            if first:
                self.write(connection, body)
            if commit:
                connection.commit()
            return first
        finally:
            connection.close()

    def effects(self) -> list[str]:
        sql = sqlite3.connect(self.file)
        rows = [body for (body,) in sql.execute("SELECT body FROM effects ORDER BY rowid")]
        sql.close()
        return rows


@pytest.fixture(params=["sqlite3", "core", "orm"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    made = Database(tmp_path / "effects.db", request.param)
    yield made
    made.engine.dispose()


def test_record_and_effect_are_there_or_neither(database: Database) -> None:
    assert database.handle("a", commit=False)
    assert database.effects() == []
    assert database.handle("a")
    assert not database.handle("a")
    assert database.handle("b")
    assert database.effects() == ["a", "b"]


def test_scopes_and_keys_are_told_apart(database: Database) -> None:
    assert database.handle("a")
    assert database.handle("a", scope="another queue")
    assert not database.handle("b", key=lambda delivery: "a")
    assert database.effects() == ["a", "a"]


def test_a_record_is_over_after_its_time(database: Database) -> None:
    clock = ManualClock()
    assert database.handle("a", clock=clock, ttl="1m")
    assert database.handle("b", clock=clock, ttl="2m")
    clock.advance(seconds=60)
    assert database.handle("a", clock=clock, ttl="1m")
    assert not database.handle("b", clock=clock)
    clock.advance(seconds=60)
    connection = database.begin()
    assert forget_expired(connection, clock=clock) == 2
    connection.commit()
    assert forget_expired(connection, clock=clock) == 0
    connection.close()


def test_of_two_at_the_same_time_one_has_the_effect(database: Database) -> None:
    results: list[list[bool]] = [[], []]
    starting = threading.Barrier(2)

    def work(number: int) -> None:
        starting.wait(timeout=30)
        results[number] = [database.handle(str(body)) for body in range(20)]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [a + b for a, b in zip(*results, strict=True)] == [1] * 20
    assert sorted(database.effects(), key=int) == [str(body) for body in range(20)]


def test_a_message_without_id_is_refused(database: Database) -> None:
    connection = database.begin()
    with pytest.raises(NoIdentityError, match="no message_id"):
        once(Delivered(), connection)
    connection.close()


def autocommit(file: Path) -> Any:
    if sys.version_info >= (3, 12):
        return sqlite3.connect(file, autocommit=True)
    return sqlite3.connect(file, isolation_level=None)


@pytest.mark.parametrize(
    "connect", [lambda file: sqlite3.connect(file, isolation_level=None), autocommit]
)
def test_a_connection_that_commits_by_itself_is_refused(
    tmp_path: Path, connect: Callable[[Path], sqlite3.Connection]
) -> None:
    connection = connect(tmp_path / "effects.db")
    with pytest.raises(ValueError, match="would not be one"):
        once(Delivered("a"), connection)
    connection.execute("BEGIN")
    if connection.isolation_level is None and getattr(connection, "autocommit", False) is not True:
        assert once(Delivered("a"), connection)
        connection.execute("ROLLBACK")
        connection.execute("BEGIN")
        assert once(Delivered("a"), connection)
    connection.close()


def test_an_autocommitting_engine_is_refused(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'a.db'}", isolation_level="AUTOCOMMIT")
    connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    with pytest.raises(ValueError, match="AUTOCOMMIT"):
        once(Delivered("a"), connection)
    connection.close()
    engine.dispose()


def test_what_is_no_connection_is_refused() -> None:
    with pytest.raises(TypeError, match="not str"):
        once(Delivered("a"), "billing.db")
    with pytest.raises(TypeError, match="not str"):
        forget_expired("billing.db")
