"""Workers that pass over what was handled, and effects that are one with their records."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import leveret
from leveret import Properties, aio
from leveret.idempotency import Idempotency, MemorySeen, SQLiteSeen

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: How long to wait for what must happen.
PATIENCE_S = 60


def publish(broker: Any, body: str, message_id: str | None = "1") -> Any:
    properties = Properties(message_id=message_id, headers={"order": "7"})
    return broker.publish("", "q", body, properties=properties)


class Handled:
    """Notes what was handled, and says when so many settled deliveries were there."""

    def __init__(self) -> None:
        self.bodies: list[str] = []
        self.lock = threading.Lock()

    def __call__(self, delivery: Any) -> None:
        with self.lock:
            self.bodies.append(delivery.text())


def wait_for(condition: Callable[[], bool]) -> None:
    tick = threading.Event()
    for _ in range(PATIENCE_S * 100):
        if condition():
            return
        tick.wait(0.01)
    raise AssertionError("it did not happen")


def test_a_message_that_was_handled_is_passed_over_and_counted(tmp_path: Path) -> None:
    handled = Handled()
    with leveret.open() as broker, SQLiteSeen(tmp_path / "seen.db") as seen:
        broker.engine.queue_declare("q")
        with broker.worker("q", handled, idempotency=seen) as worker:
            for body in ("a", "a again"):
                publish(broker, body)
            publish(broker, "b", "2")
            wait_for(lambda: worker.statistics().handled == 2 and worker.statistics().skipped == 1)
    assert sorted(handled.bodies) == ["a", "b"]
    with leveret.open() as broker, SQLiteSeen(tmp_path / "seen.db") as seen:
        broker.engine.queue_declare("q")
        with broker.worker("q", handled, idempotency=seen) as worker:
            publish(broker, "a after a restart")
            wait_for(lambda: worker.statistics().skipped == 1)
    assert sorted(handled.bodies) == ["a", "b"]


def test_what_failed_is_not_handled() -> None:
    handled = Handled()
    failing = [True]

    def handle(delivery: leveret.Delivery) -> None:
        handled(delivery)
        if failing.pop() if failing else False:
            raise RuntimeError("not this time")

    with leveret.open() as broker:
        broker.engine.queue_declare("q")
        retry = leveret.Retry(first=0)
        with broker.worker("q", handle, idempotency=MemorySeen(), retry=retry) as worker:
            publish(broker, "a")
            wait_for(lambda: worker.statistics().handled == 1)
    assert handled.bodies == ["a", "a"]


def test_what_is_being_handled_comes_again_later() -> None:
    handled, begun, going_on = Handled(), threading.Event(), threading.Event()

    def handle(delivery: leveret.Delivery) -> None:
        begun.set()
        assert going_on.wait(PATIENCE_S)
        handled(delivery)

    with leveret.open() as broker:
        broker.engine.queue_declare("q")
        with broker.worker("q", handle, concurrency=2, idempotency=MemorySeen()) as worker:
            publish(broker, "a")
            assert begun.wait(PATIENCE_S)
            publish(broker, "b")
            wait_for(lambda: worker.statistics().postponed == 1)
            going_on.set()
            wait_for(lambda: worker.statistics().skipped == 1)
    assert handled.bodies == ["a"]


def test_a_message_without_id_fails_or_is_told_by_a_key() -> None:
    handled = Handled()
    with leveret.open() as broker:
        broker.engine.queue_declare("q")
        broker.engine.queue_declare("dead")
        seen = MemorySeen()
        with broker.worker("q", handled, idempotency=seen, dead_letter="dead") as worker:
            broker.engine.basic_publish("", "q", "no id")
            wait_for(lambda: worker.statistics().dead_lettered == 1)
        dead = broker.get("dead", auto_ack=True)
        assert dead is not None
        assert "has no message_id" in str(dead.headers["x-last-error"])
        by_order = Idempotency(seen, key=lambda delivery: str(delivery.headers["order"]))
        with broker.worker("q", handled, idempotency=by_order) as worker:
            publish(broker, "a", "1")
            publish(broker, "b", "2")
            wait_for(lambda: worker.statistics().skipped == 1)
    assert handled.bodies == ["a"]


def test_a_store_that_cannot_remember_is_a_failure() -> None:
    class Broken(MemorySeen):
        def succeeded(self, scope: str, key: str) -> None:
            self.failed(scope, key)
            raise OSError("the disk is full")

    handled = Handled()
    with leveret.open() as broker:
        broker.engine.queue_declare("q")
        broker.engine.queue_declare("dead")
        with broker.worker("q", handled, idempotency=Broken(), dead_letter="dead") as worker:
            publish(broker, "a")
            wait_for(lambda: worker.statistics().dead_lettered == 1)
        dead = broker.get("dead", auto_ack=True)
        assert dead is not None
        assert "the disk is full" in str(dead.headers["x-last-error"])


def test_an_effect_and_its_record_are_one_transaction(tmp_path: Path) -> None:
    file = tmp_path / "effects.db"
    sqlite3.connect(file).execute("CREATE TABLE effects (body TEXT)").connection.close()

    def handle(delivery: leveret.Delivery) -> None:
        effects = sqlite3.connect(file)
        try:
            with effects:
                if delivery.once(effects):
                    effects.execute("INSERT INTO effects VALUES (?)", (delivery.text(),))
                if not delivery.redelivered:
                    raise RuntimeError("rolled back")
        finally:
            effects.close()

    with leveret.open() as broker:
        broker.engine.queue_declare("q")
        publish(broker, "a")
        for _ in range(3):  # it fails, and comes again: twice with effect, if nobody looked
            delivery = broker.get("q")
            assert delivery is not None
            with suppress(RuntimeError):
                handle(delivery)
            delivery.nack()
    effects = sqlite3.connect(file)
    assert effects.execute("SELECT body FROM effects").fetchall() == [("a",)]
    effects.close()


def test_tasks_pass_over_what_was_handled_too(tmp_path: Path) -> None:
    handled: list[str] = []

    async def run() -> None:
        done = asyncio.Event()
        effects = sqlite3.connect(tmp_path / "effects.db")

        async def handle(delivery: aio.Delivery) -> None:
            with effects:
                if await delivery.once(effects, scope="own"):
                    handled.append(delivery.text())
            if delivery.text() == "end":
                done.set()

        with SQLiteSeen(tmp_path / "seen.db") as seen:
            async with aio.open() as broker:
                broker.engine.queue_declare("q")
                async with broker.worker("q", handle, idempotency=seen) as worker:
                    for body in ("a", "a again"):
                        await publish(broker, body)
                    await publish(broker, "end", "2")
                    await asyncio.wait_for(done.wait(), PATIENCE_S)
                assert worker.statistics().skipped == 1
                # The same messages at a worker that does not ask: the transaction knows them.
                done.clear()
                async with broker.worker("q", handle):
                    await publish(broker, "a once more")
                    await publish(broker, "end", "3")
                    await asyncio.wait_for(done.wait(), PATIENCE_S)
        effects.close()

    asyncio.run(run())
    assert handled == ["a", "end", "end"]
