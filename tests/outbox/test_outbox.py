"""Messages that are written in a transaction, and relayed: at least once, in order per key."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pika
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import MetaData, create_engine, event, select, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

import leveret
from leveret import ManualClock, Properties, aio
from leveret.outbox import Outbox, OutboxMessage, pika_publish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Killed(BaseException):
    """The process ends here."""


class Shop:
    """A database with an outbox, its clock, and what was published from it."""

    def __init__(self, file: Path | None = None) -> None:
        self.clock = ManualClock()
        metadata = MetaData()
        self.outbox = Outbox(metadata, clock=self.clock)
        if file is None:
            self.engine = create_engine(
                "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
            )
        else:
            self.engine = create_engine(f"sqlite:///{file}", connect_args={"timeout": 60})
        event.listen(self.engine, "connect", lambda sql, _: sql.execute("PRAGMA synchronous=OFF"))
        metadata.create_all(self.engine)
        self.published: list[OutboxMessage] = []
        #: What publishing raises, by body.
        self.failing: dict[str, Exception] = {}

    def add(self, *bodies: str) -> None:
        """Add messages; the key of `a1` is `a`, that of `-` is none."""
        with Session(self.engine) as session:
            for body in bodies:
                key = None if body.startswith("-") else body[0]
                self.outbox.add(session, "orders", body, body, key=key)
            session.commit()

    def publish(self, message: OutboxMessage) -> None:
        error = self.failing.get(message.body.decode())
        if error is not None:
            raise error
        self.published.append(message)

    def bodies(self) -> list[str]:
        return [message.body.decode() for message in self.published]

    def waiting(self) -> int:
        with Session(self.engine) as session:
            return self.outbox.waiting(session)


@pytest.fixture
def shop() -> Iterator[Shop]:
    made = Shop()
    yield made
    made.engine.dispose()


def test_what_was_committed_is_published_and_what_was_not_is_not(shop: Shop) -> None:
    with Session(shop.engine) as session:
        shop.outbox.add(session, "orders", "lost", "lost")
        session.rollback()
    with shop.engine.begin() as connection:
        identifier = shop.outbox.add(
            connection, "orders", "created", {"id": 7}, key="7", headers={"shop": "north"}
        )
    relay = shop.outbox.relay(shop.engine, shop.publish)
    assert relay.run_once() == 1
    (message,) = shop.published
    assert (message.exchange, message.routing_key, message.key) == ("orders", "created", "7")
    assert (message.body, message.content_type) == (b'{"id":7}', "application/json")
    assert message.message_id == identifier
    assert message.headers == {"shop": "north", "x-deduplication-header": identifier}
    assert relay.run_once() == 0
    assert relay.statistics().published == 1
    assert shop.waiting() == 0


def test_a_body_without_form_is_refused_where_it_is_added(shop: Shop) -> None:
    with Session(shop.engine) as session, pytest.raises(TypeError, match="cannot be sent"):
        shop.outbox.add(session, "orders", "x", object())


def test_what_fails_holds_up_its_key_and_no_other(shop: Shop) -> None:
    shop.add("a1", "a2", "b1", "-1", "a3", "b2")
    relay = shop.outbox.relay(shop.engine, shop.publish, first_delay="1s", max_delay="2s")
    shop.failing["a2"] = RuntimeError("the broker is away")
    assert relay.run_once() == 4
    assert shop.bodies() == ["a1", "b1", "-1", "b2"]
    shop.add("a4", "c1")
    assert relay.run_once() == 1
    for seconds in (1, 2, 2):
        shop.clock.advance(ms=seconds * 1000 - 1)
        assert relay.run_once() == 0, "not yet"
        shop.clock.advance(ms=1)
        before = relay.statistics().failed
        relay.run_once()
        assert relay.statistics().failed == before + 1
    with shop.engine.connect() as connection:
        table = shop.outbox.table
        row = connection.execute(select(table).where(table.c.attempts > 0)).mappings().one()
        assert (row["attempts"], row["error"]) == (4, "RuntimeError: the broker is away")
    shop.failing.clear()
    shop.clock.advance(seconds=2)
    relay.run_once()
    assert shop.bodies() == ["a1", "b1", "-1", "b2", "c1", "a2", "a3", "a4"]


def test_a_relay_that_died_holds_up_the_next_for_its_lease(shop: Shop) -> None:
    shop.add("a1", "a2")

    def die(message: OutboxMessage) -> None:
        shop.publish(message)
        raise Killed

    with pytest.raises(Killed):
        shop.outbox.relay(shop.engine, die, lease="10s").run_once()
    relay = shop.outbox.relay(shop.engine, shop.publish)
    assert relay.run_once() == 0
    shop.clock.advance(seconds=10)
    assert relay.run_once() == 2
    assert shop.bodies() == ["a1", "a1", "a2"]
    assert shop.published[0].message_id == shop.published[1].message_id


def test_a_slow_relay_stops_before_another_begins(shop: Shop) -> None:
    shop.add("a1", "a2", "a3")

    def slow(message: OutboxMessage) -> None:
        shop.publish(message)
        shop.clock.advance(seconds=6)

    relay = shop.outbox.relay(shop.engine, slow, lease="10s")
    assert relay.run_once() == 2
    assert relay.run_once() == 1
    assert shop.bodies() == ["a1", "a2", "a3"]


class Mortal:
    """Kills at the n-th step: before a statement, before a commit, and around a publish."""

    def __init__(self, shop: Shop, at: int) -> None:
        self.shop, self.left = shop, at
        event.listen(shop.engine, "before_cursor_execute", self.step)
        event.listen(shop.engine, "commit", self.step)

    def step(self, *_: object) -> None:
        self.left -= 1
        if not self.left:
            raise Killed

    def publish(self, message: OutboxMessage) -> None:
        self.step()
        self.shop.publish(message)
        self.step()

    def stop(self) -> None:
        event.remove(self.shop.engine, "before_cursor_execute", self.step)
        event.remove(self.shop.engine, "commit", self.step)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from(("a", "b", "-")), min_size=1, max_size=8),
    st.lists(st.integers(1, 40), min_size=1, max_size=4),
    st.integers(1, 4),
)
def test_killed_between_any_two_steps_nothing_is_lost_and_order_holds(
    keys: list[str], kills: list[int], batch: int
) -> None:
    with TemporaryDirectory() as folder:
        shop = Shop(Path(folder) / "shop.db")
        try:
            check_killed(shop, keys, kills, batch)
        finally:
            shop.engine.dispose()


def check_killed(shop: Shop, keys: list[str], kills: list[int], batch: int) -> None:
    bodies = [f"{key}{number}" for number, key in enumerate(keys)]
    shop.add(*bodies)
    for at in kills:
        mortal = Mortal(shop, at)
        relay = shop.outbox.relay(shop.engine, mortal.publish, batch=batch)
        try:
            while relay.run_once():
                pass
        except Killed:
            shop.clock.advance(seconds=10)
        finally:
            mortal.stop()
    relay = shop.outbox.relay(shop.engine, shop.publish, batch=batch)
    while relay.run_once():
        pass
    # What a deduplicating exchange lets through.
    once = list({message.message_id: message for message in shop.published}.values())
    assert sorted(message.body.decode() for message in once) == sorted(bodies)
    for key in "ab":
        of_key = [one.body.decode() for one in once if one.key == key]
        assert of_key == [body for body in bodies if body[0] == key]


def test_a_deduplicating_exchange_makes_it_once(shop: Shop) -> None:
    broker = leveret.Broker()
    broker.exchange_declare("orders", "topic", arguments={"x-message-deduplication": True})
    broker.queue_declare("q")
    broker.queue_bind("q", "orders", "#")
    channel = broker.channel()
    dying = [True]

    def publish(message: OutboxMessage) -> None:
        properties = Properties(message_id=message.message_id, headers=message.headers)
        channel.basic_publish(message.exchange, message.routing_key, message.body, properties)
        if dying[0]:
            raise Killed

    shop.add("a1", "a2")
    with pytest.raises(Killed):
        shop.outbox.relay(shop.engine, publish).run_once()
    shop.clock.advance(seconds=10)
    dying[0] = False
    assert shop.outbox.relay(shop.engine, publish).run_once() == 2
    bodies = [broker.basic_get("q", auto_ack=True)[2] for _ in range(3)]
    assert bodies == [b"a1", b"a2", None]


def test_relays_on_threads_publish_in_order_per_key(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop.db")
    lock = threading.Lock()
    done = threading.Event()

    def publish(message: OutboxMessage) -> None:
        with lock:
            shop.publish(message)
            if len(shop.published) >= 60:
                done.set()

    relays = [shop.outbox.relay(shop.engine, publish, poll="20ms", batch=7) for _ in range(3)]
    for relay in relays:
        relay.start()
    for number in range(10):
        shop.add(*(f"{key}{number}" for key in "abcdef"))
    assert done.wait(60)
    for relay in relays:
        relay.stop()
    assert shop.waiting() == 0
    for key in "abcdef":
        assert [b for b in shop.bodies() if b[0] == key] == [f"{key}{n}" for n in range(10)]
    shop.engine.dispose()


@pytest.mark.parametrize("how", ["session", "connection"])
def test_a_commit_in_the_process_wakes_the_relay(tmp_path: Path, how: str) -> None:
    shop = Shop(tmp_path / "shop.db")
    came = threading.Event()

    def publish(message: OutboxMessage) -> None:
        shop.publish(message)
        came.set()

    with shop.outbox.relay(shop.engine, publish, poll="1h"):
        for _ in range(2):
            if how == "session":
                shop.add("a1")
            else:
                with shop.engine.begin() as connection:
                    shop.outbox.add(connection, "orders", "a1", "a1")
            assert came.wait(60)
            came.clear()
    shop.engine.dispose()


def test_a_relay_goes_on_when_the_database_is_back(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop.db")
    came = threading.Event()
    failed = threading.Event()

    def publish(message: OutboxMessage) -> None:
        shop.publish(message)
        came.set()

    with shop.engine.begin() as connection:
        connection.execute(text("ALTER TABLE leveret_outbox RENAME TO away"))

    @event.listens_for(shop.engine, "handle_error")
    def note(_: object) -> None:
        failed.set()

    with shop.outbox.relay(shop.engine, publish, poll="10ms"):
        assert failed.wait(60)
        with shop.engine.begin() as connection:
            connection.execute(text("ALTER TABLE away RENAME TO leveret_outbox"))
        shop.add("a1")
        assert came.wait(60)
    shop.engine.dispose()


@pytest.mark.parametrize("is_async", [True, False])
def test_a_task_relays_too(tmp_path: Path, is_async: bool) -> None:
    shop = Shop(tmp_path / "shop.db")
    shop.failing["b1"] = RuntimeError("away")

    async def run() -> None:
        done = asyncio.Event()

        async def publish(message: OutboxMessage) -> None:
            shop.publish(message)
            if len(shop.published) == 3:
                done.set()

        def at_once(message: OutboxMessage) -> None:
            shop.publish(message)
            if len(shop.published) == 3:
                done.set()

        made: Callable[[OutboxMessage], Any] = publish if is_async else at_once
        async with shop.outbox.relay_task(shop.engine, made, poll="1h") as relay:
            await asyncio.to_thread(shop.add, "a1", "b1", "a2")
            await asyncio.to_thread(shop.add, "a3")
            await asyncio.wait_for(done.wait(), 60)
        assert relay.statistics().failed == 1

    asyncio.run(run())
    assert shop.bodies() == ["a1", "a2", "a3"]
    shop.engine.dispose()


def test_pika_takes_an_outbox_to_a_server(shop: Shop) -> None:
    shop.add("a1", "b1", "a2")
    broker = leveret.Broker()
    broker.exchange_declare("orders", "topic")
    broker.queue_declare("q")
    for key in ("a1", "a2"):
        broker.queue_bind("q", "orders", key)
    with broker.serve(port=0) as server:
        connection = pika.BlockingConnection(pika.URLParameters(server.url))
        relay = shop.outbox.relay(shop.engine, pika_publish(connection.channel()))
        assert relay.run_once() == 2
        connection.close()
    assert shop.waiting() == 1, "b1 reaches no queue"
    assert relay.statistics().failed == 1


def test_a_service_takes_an_outbox_to_its_queues(shop: Shop) -> None:
    shop.add("a1", "b1", "a2")
    with leveret.open() as broker:
        broker.engine.exchange_declare("orders", "fanout")
        broker.engine.queue_declare("q")
        broker.engine.queue_bind("q", "orders")
        assert shop.outbox.relay(shop.engine, broker).run_once() == 3
        taken = [broker.get("q", auto_ack=True) for _ in range(3)]
        assert [delivery.text() for delivery in taken if delivery] == ["a1", "b1", "a2"]
        assert taken[0] is not None
        assert taken[0].message_id == taken[0].headers["x-deduplication-header"]
        assert taken[0].content_type == "text/plain; charset=utf-8"


def test_a_service_of_asyncio_takes_an_outbox_to_its_queues(shop: Shop) -> None:
    shop.add("a1", "a2")

    async def run() -> None:
        async with aio.open() as broker:
            broker.engine.exchange_declare("orders", "fanout")
            assert await shop.outbox.relay_task(shop.engine, broker).run_once() == 2
            await broker.publish("orders", "more")

    asyncio.run(run())


def test_numbers_that_make_no_sense_are_refused(shop: Shop) -> None:
    with pytest.raises(ValueError, match="1 message or more"):
        shop.outbox.relay(shop.engine, shop.publish, batch=0)
