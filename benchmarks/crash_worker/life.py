"""One life of the process: it relays, works, and is mostly killed while it does.

Run as `python -m benchmarks.crash_worker.life DIR once|plain drain|go-on`. In `once`, the
exchange drops duplicates and the record of a message is written with its effect; in `plain`,
nothing is done about duplicates.
"""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen
from sqlalchemy import Engine, MetaData, create_engine

import leveret
from leveret.config import loads
from leveret.idempotency import once
from leveret.outbox import Outbox, OutboxMessage

if TYPE_CHECKING:
    from leveret import Channel, Properties
    from leveret.engine.methods import Deliver
    from leveret.properties import FieldValue

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


@frozen
class Taken:
    """A delivery, as `once` asks for it."""

    queue: str
    tag: int
    redelivered: bool
    message_id: str | None
    headers: dict[str, FieldValue]
    body: bytes


class Life:
    """A broker, a relay and a worker."""

    def __init__(self, folder: Path, is_once: bool) -> None:
        self.is_once = is_once
        text = TOPOLOGY.format(once=str(is_once).lower(), partitions=PARTITIONS)
        self.broker = leveret.Broker.from_topology(loads(text), data=folder / "data")
        outbox, engine = shop(folder)
        # Whoever was killed has the lease no longer than this.
        self.relay = outbox.relay(engine, self.publish, lease="100ms", batch=20)
        self.effects = sqlite3.connect(folder / "shop.db", timeout=60)
        self.channel = self.broker.channel()
        self.taken: list[Taken] = []
        self.channel.basic_qos(prefetch_count=20)
        for number in range(1, PARTITIONS + 1):
            name = f"mails.{number}"
            self.channel.basic_consume(name, self.receive, consumer_tag=name)

    def publish(self, message: OutboxMessage) -> None:
        """Publish a message of the outbox, and have it on the disk."""
        headers = {**message.headers, "user": message.key}
        properties = leveret.Properties(
            message_id=message.message_id, headers=headers, delivery_mode=2
        )
        self.channel.basic_publish(message.exchange, message.routing_key, message.body, properties)
        self.broker.flush()

    def receive(
        self, channel: Channel, method: Deliver, properties: Properties, body: bytes
    ) -> None:
        """Take note of a delivery."""
        headers = properties.headers or {}
        self.taken.append(
            Taken(
                method.consumer_tag,
                method.delivery_tag,
                method.redelivered,
                properties.message_id,
                headers,
                body,
            )
        )

    def handle(self, delivery: Taken) -> None:
        """Have the effect, then acknowledge."""
        with self.effects:
            if not self.is_once or once(delivery, self.effects):
                row = (delivery.headers["user"], int(delivery.body), delivery.redelivered)
                self.effects.execute("INSERT INTO effects VALUES (?, ?, ?)", row)
        self.channel.basic_ack(delivery.tag)

    def work(self) -> bool:
        """Relay and handle what there is; return whether there was anything."""
        relayed = self.relay.run_once()
        taken, self.taken = self.taken, []
        for delivery in taken:
            self.handle(delivery)
        self.broker.flush()
        return bool(relayed or taken or self.taken)


def main(folder: Path, mode: str, *, drain: bool) -> None:
    """Live: for ever, or until nothing is left."""
    life = Life(folder, mode == "once")
    print("ready", flush=True)
    outbox, engine = shop(folder)
    while True:
        if life.work() or not drain:
            continue
        with engine.connect() as connection:
            if not outbox.waiting(connection):
                break
    life.broker.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], drain=sys.argv[3] == "drain")
