"""One life of the process: it relays, works, and is mostly killed while it does.

Run as `python -m benchmarks.crash_worker.life DIR once|plain drain|go-on`. In `once`, the
exchange drops duplicates and the record of a message is written with its effect; in `plain`,
nothing is done about duplicates.
"""

from __future__ import annotations

import sqlite3
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine, MetaData, create_engine

import leveret
from leveret.config import loads
from leveret.outbox import Outbox

if TYPE_CHECKING:
    from leveret.outbox import OutboxMessage

PARTITIONS = 4
TOPOLOGY = """
exchanges:
  accounts: {{type: topic, arguments: {{x-message-deduplication: {once}, x-cache-size: 1000}}}}
queues:
  mails: {{partitions: {partitions}, by: header user}}
bindings: ["accounts[#] -> mails"]
"""
EFFECTS = "CREATE TABLE IF NOT EXISTS effects (user TEXT, number INTEGER, redelivered INTEGER)"


def shop(folder: Path) -> tuple[Outbox, Engine]:
    """Return the outbox in the database of effects, whose tables are there from now on."""
    metadata = MetaData()
    outbox = Outbox(metadata)
    engine = create_engine(f"sqlite:///{folder / 'shop.db'}", connect_args={"timeout": 60})
    metadata.create_all(engine)
    with sqlite3.connect(folder / "shop.db") as sql:
        sql.execute("PRAGMA journal_mode=WAL")
        sql.execute(EFFECTS)
    sql.close()
    return outbox, engine


class Life:
    """A broker with workers, and a relay that publishes to it."""

    def __init__(self, folder: Path, is_once: bool) -> None:
        self.folder, self.is_once = folder, is_once
        text = TOPOLOGY.format(once=str(is_once).lower(), partitions=PARTITIONS)
        self.broker = leveret.open(loads(text), data=folder / "data")
        self.outbox, self.engine = shop(folder)
        # Whoever was killed has the lease no longer than this.
        self.relay = self.outbox.relay(self.engine, self.publish, lease="100ms", batch=20)
        self.local = threading.local()
        self.queues = [f"mails.{number}" for number in range(1, PARTITIONS + 1)]
        for queue in self.queues:
            self.broker.worker(queue, self.handle, prefetch=20)

    def publish(self, message: OutboxMessage) -> None:
        """Publish a message of the outbox, and have it on the disk."""
        self.broker.publish(
            message.exchange,
            message.routing_key,
            message.body,
            headers={**message.headers, "user": message.key},
            properties=leveret.Properties(message_id=message.message_id),
        )

    def handle(self, delivery: leveret.Delivery) -> None:
        """Have the effect of a message; the worker acknowledges."""
        if not hasattr(self.local, "effects"):
            self.local.effects = sqlite3.connect(self.folder / "shop.db", timeout=60)
        effects: sqlite3.Connection = self.local.effects
        with effects:
            if not self.is_once or delivery.once(effects):
                row = (delivery.headers["user"], int(delivery.body), delivery.redelivered)
                effects.execute("INSERT INTO effects VALUES (?, ?, ?)", row)

    def is_idle(self) -> bool:
        """Say whether all is published, and handled."""
        with self.engine.connect() as connection:
            if self.outbox.waiting(connection):
                return False
        with self.broker.lock:
            queues = map(self.broker.engine.virtual_hosts["/"].queue, self.queues)
            return not any(queue.ready_count or queue.unacked for queue in queues)


def main(folder: Path, mode: str, *, drain: bool) -> None:
    """Live: for ever, or until nothing is left."""
    life = Life(folder, mode == "once")
    print("ready", flush=True)
    with life.broker, life.relay:
        while not (drain and life.is_idle()):
            time.sleep(0.05)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], drain=sys.argv[3] == "drain")
