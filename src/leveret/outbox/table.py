"""The outbox as transactions see it: a table, and the rows that they add to it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    event,
)
from sqlalchemy.orm import Session

from leveret.bodies import encode
from leveret.clock import Clock, SystemClock
from leveret.outbox.publishers import publish_by

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Engine

    from leveret.durations import Duration
    from leveret.outbox.publishers import Publish, PublishAsync, Publisher
    from leveret.outbox.relay import Relay
    from leveret.outbox.relay_task import RelayTask
    from leveret.outbox.relaying import Relaying

__all__ = ["Outbox"]

# SQLite counts by itself in this type alone.
_ID = BigInteger().with_variant(Integer, "sqlite")


class Outbox:
    """A table of messages to publish, in the metadata of the tables that it stands beside.

    `create_all` makes it, or a migration does; a second table, `…_lease`, has one row.
    """

    def __init__(
        self, metadata: MetaData, name: str = "leveret_outbox", clock: Clock | None = None
    ) -> None:
        self.clock = clock or SystemClock()
        self.table = Table(
            name,
            metadata,
            Column("id", _ID, primary_key=True, autoincrement=True),
            Column("message_id", String(64), nullable=False),
            Column("key", String(255)),
            Column("exchange", String(255), nullable=False),
            Column("routing_key", String(255), nullable=False),
            Column("body", LargeBinary, nullable=False),
            Column("content_type", String(255)),
            Column("headers", JSON, nullable=False),
            Column("attempts", Integer, nullable=False),
            Column("due_at", BigInteger, nullable=False),
            Column("error", Text),
            Index(f"ix_{name}_key", "key", "id"),
            Index(f"ix_{name}_due", "due_at"),
        )
        self.lease = Table(
            f"{name}_lease",
            metadata,
            Column("id", Integer, primary_key=True, autoincrement=False),
            Column("owner", String(64), nullable=False),
            Column("until", BigInteger, nullable=False),
        )
        # Relays of this process, to be woken when something is committed.
        self._relays: WeakSet[Relaying] = WeakSet()

    def add(
        self,
        connection: Session | Connection,
        exchange: str,
        routing_key: str,
        body: Any = b"",
        *,
        key: str | None = None,
        headers: Mapping[str, Any] | None = None,
        message_id: str | None = None,
    ) -> str:
        """Write a message in the caller's transaction; return its id.

        The body is bytes, text, or what JSON takes, and so are values of headers. Messages of one
        `key` are published in order; those without have none. The id, made where it is not given,
        also goes as the header `x-deduplication-header`, by which exchanges drop duplicates.

        Raises:
            TypeError: the body has no form.

        """
        content, content_type = encode(body)
        identifier = message_id or uuid.uuid4().hex
        values = {
            "message_id": identifier,
            "key": key,
            "exchange": exchange,
            "routing_key": routing_key,
            "body": content,
            "content_type": content_type,
            "headers": dict(headers or {}),
            "attempts": 0,
            "due_at": 0,
        }
        connection.execute(self.table.insert().values(values))
        if self._relays:
            name = "after_commit" if isinstance(connection, Session) else "commit"
            if not event.contains(connection, name, self._wake):
                event.listen(connection, name, self._wake)
        return identifier

    def _wake(self, _: object) -> None:
        for relay in list(self._relays):
            relay.wake()

    def waiting(self, connection: Session | Connection) -> int:
        """Return how many messages are not published yet."""
        from sqlalchemy import func, select

        return int(connection.execute(select(func.count()).select_from(self.table)).scalar_one())

    def relay(self, engine: Engine, publisher: Publisher | Publish, **options: Any) -> Relay:
        """Return a relay that publishes from a thread of its own; see `Relay`."""
        from leveret.outbox.relay import Relay

        return Relay(self.relaying(engine, **options), publish_by(publisher))

    def relay_task(
        self, engine: Engine, publisher: Publisher | Publish | PublishAsync, **options: Any
    ) -> RelayTask:
        """Return a relay that publishes from a task of the running event loop; see `RelayTask`."""
        from leveret.outbox.relay_task import RelayTask

        return RelayTask(self.relaying(engine, **options), publish_by(publisher))

    def relaying(
        self,
        engine: Engine,
        *,
        poll: Duration = "1s",
        batch: int = 100,
        lease: Duration = "10s",
        first_delay: Duration = "1s",
        max_delay: Duration = "1m",
    ) -> Relaying:
        """Return what relays do, on the side of the database.

        `poll` is how often the table is looked at while nobody in this process commits. `batch`
        messages at most are fetched at a time, and published by the one relay that has the
        `lease`. What fails is tried again after `first_delay`, which doubles up to `max_delay`.
        """
        from leveret.outbox.relaying import Relaying

        made = Relaying(
            self, engine, poll=poll, batch=batch, lease=lease, first=first_delay, longest=max_delay
        )
        self._relays.add(made)
        return made
