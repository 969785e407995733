"""The record that a message was handled, written in the transaction of what it had done.

One table, `leveret_seen`: scope and key are what is unique, `expires_at` is in milliseconds since
the Unix epoch. A second transaction with the same message waits for the first where the database
makes writers wait (SQLite, PostgreSQL, MySQL), and finds the record then.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from leveret.clock import Clock, SystemClock
from leveret.durations import milliseconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from leveret.durations import Duration
    from leveret.idempotency.seen import Handled

__all__ = ["SCHEMA", "TABLE", "UPSERT", "forget_expired", "once"]

TABLE = "leveret_seen"

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS leveret_seen (scope TEXT NOT NULL, key TEXT NOT NULL,"
    " expires_at INTEGER NOT NULL, PRIMARY KEY (scope, key))",
    "CREATE INDEX IF NOT EXISTS leveret_seen_expires ON leveret_seen (expires_at)",
)
#: Scope, key, when it is forgotten, now. Changes a row unless the message is remembered.
UPSERT = (
    "INSERT INTO leveret_seen VALUES (?, ?, ?) ON CONFLICT (scope, key) DO UPDATE"
    " SET expires_at = excluded.expires_at WHERE leveret_seen.expires_at <= ?"
)
_SYSTEM_CLOCK = SystemClock()


def once(
    delivery: Handled,
    connection: Any,
    *,
    key: Callable[..., str | None] | None = None,
    scope: str | None = None,
    ttl: Duration = "7d",
    clock: Clock | None = None,
) -> bool:
    """Say whether a message is to be handled, and record in the same transaction that it was.

    `connection` is a sqlite3 connection, or a Connection or Session of SQLAlchemy, in which the
    effect is written and then committed: the record is there if the effect is. What identifies a
    message is its id, or what `key` says of it; the scope is its queue. It is remembered for `ttl`.
    A sqlite3 connection gets the table where it lacks it; with SQLAlchemy, see `seen_table`.

    Raises:
        NoIdentityError: nothing identifies the message.
        ValueError: the connection commits each statement by itself.
        TypeError: it is none of those connections.

    """
    from leveret.idempotency.seen import NoIdentityError, identity

    found = identity(delivery, key)
    if found is None:
        raise NoIdentityError(
            f"a message of queue '{delivery.queue}' has no message_id, so that it cannot be told"
            " from a second one: have its publisher set it, or say key=…"
        )
    now_ms = (clock or _SYSTEM_CLOCK).now_ms()
    row = (scope or delivery.queue, found, now_ms + milliseconds(ttl), now_ms)
    if isinstance(connection, sqlite3.Connection):
        return _once_in_sqlite(connection, row)
    return bool(_sqlalchemy(connection).record(connection, row))


def _once_in_sqlite(connection: sqlite3.Connection, row: tuple[str, str, int, int]) -> bool:
    if connection.isolation_level is None and not connection.in_transaction:
        raise ValueError(
            "the sqlite3 connection commits each statement by itself, so that record and effect"
            " would not be one: execute BEGIN first, or connect without isolation_level=None"
        )
    if getattr(connection, "autocommit", False) is True:
        raise ValueError(
            "the sqlite3 connection commits each statement by itself (autocommit=True), so that"
            " record and effect would not be one"
        )
    try:
        cursor = connection.execute(UPSERT, row)
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise
        for statement in SCHEMA:
            connection.execute(statement)
        cursor = connection.execute(UPSERT, row)
    return cursor.rowcount > 0


def forget_expired(connection: Any, *, clock: Clock | None = None) -> int:
    """Delete the records whose time is over; return how many. To be committed by the caller.

    Call it now and then, for example once a minute: `once` deletes nothing by itself, since it
    is called in transactions that should be short.

    Raises:
        TypeError: see `once`.

    """
    now_ms = (clock or _SYSTEM_CLOCK).now_ms()
    if isinstance(connection, sqlite3.Connection):
        cursor = connection.execute("DELETE FROM leveret_seen WHERE expires_at <= ?", (now_ms,))
        return cursor.rowcount
    return int(_sqlalchemy(connection).forget(connection, now_ms))


def _sqlalchemy(connection: object) -> Any:
    """Return what does it with SQLAlchemy, which only those who use it need to have.

    Raises:
        TypeError: the connection is not one of SQLAlchemy.

    """
    if any(cls.__module__.partition(".")[0] == "sqlalchemy" for cls in type(connection).__mro__):
        from leveret.idempotency import sqlalchemy_records

        return sqlalchemy_records
    raise TypeError(
        "the record is written with a sqlite3 connection, or a Connection or Session of SQLAlchemy,"
        f" not {type(connection).__name__}"
    )
