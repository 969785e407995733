"""The record that a message was handled, with SQLAlchemy: SQLite, PostgreSQL, MySQL and others."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from sqlalchemy import BigInteger, Column, MetaData, String, Table, delete, select, update
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

if TYPE_CHECKING:
    from sqlalchemy import Connection

    Row: TypeAlias = tuple[str, str, int, int]

__all__ = ["forget", "record", "seen_table"]


def seen_table(metadata: MetaData) -> Table:
    """Return the table of records in `metadata`, made where it is not; for `create_all`."""
    from leveret.idempotency.transactions import TABLE

    if TABLE in metadata.tables:
        return metadata.tables[TABLE]
    return Table(
        TABLE,
        metadata,
        Column("scope", String(255), primary_key=True),
        Column("key", String(255), primary_key=True),
        Column("expires_at", BigInteger, nullable=False, index=True),
    )


_SEEN = seen_table(MetaData())


def record(given: Connection | Session, row: Row) -> bool:
    """Write a record unless it is there; say whether it was written."""
    connection = given.connection() if isinstance(given, Session) else given
    if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
        raise ValueError(
            "the connection has isolation level AUTOCOMMIT, so that record and effect would not be"
            " one: use another level"
        )
    scope, key, expires_at, now_ms = row
    values = {"scope": scope, "key": key, "expires_at": expires_at}
    dialect = connection.dialect.name
    if dialect in ("sqlite", "postgresql"):
        insert = (sqlite if dialect == "sqlite" else postgresql).insert(_SEEN).values(values)
        upsert = insert.on_conflict_do_update(
            index_elements=["scope", "key"],
            set_={"expires_at": insert.excluded.expires_at},
            where=_SEEN.c.expires_at <= now_ms,
        )
        return connection.execute(upsert).rowcount > 0
    renewed = connection.execute(
        update(_SEEN)
        .where(_SEEN.c.scope == scope, _SEEN.c.key == key, _SEEN.c.expires_at <= now_ms)
        .values(expires_at=expires_at)
    )
    if renewed.rowcount > 0:
        return True
    if dialect in ("mysql", "mariadb"):
        ignored = mysql.insert(_SEEN).prefix_with("IGNORE").values(values)
        return connection.execute(ignored).rowcount > 0
    try:
        with connection.begin_nested():
            connection.execute(_SEEN.insert().values(values))
    except IntegrityError:
        return False
    return True


def forget(given: Connection | Session, now_ms: int) -> int:
    """Delete the records whose time is over; return how many."""
    connection = given.connection() if isinstance(given, Session) else given
    over = _SEEN.c.expires_at <= now_ms
    if connection.dialect.name != "postgresql":
        return connection.execute(delete(_SEEN).where(over)).rowcount
    # What another transaction is about to renew is left to it.
    free = select(_SEEN.c.scope, _SEEN.c.key).where(over).with_for_update(skip_locked=True)
    rows = connection.execute(free).all()
    for scope, key in rows:
        one = (_SEEN.c.scope == scope) & (_SEEN.c.key == key)
        connection.execute(delete(_SEEN).where(one))
    return len(rows)
