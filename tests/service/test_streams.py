"""Streams with both faces: where consumers and workers begin, groups that go on, lag."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

import leveret
import leveret.aio

if TYPE_CHECKING:
    from pathlib import Path

#: Generous: what is waited for comes at once, but on a machine that is busy.
SOON_S = 60
NUMBERS = [str(number) for number in range(5)]


@pytest.fixture
def topology(tmp_path: Path) -> Path:
    path = tmp_path / "topology.yaml"
    path.write_text("queues:\n  events: {type: stream, max_age: 7d}\n  failed: {}\n")
    return path


def fill(broker: leveret.Service) -> None:
    for number in NUMBERS:
        broker.publish("", "events", number)


def texts(broker: leveret.Service, count: int, **where: Any) -> list[str]:
    """Take and acknowledge what comes first."""
    found: list[str] = []
    with broker.consume("events", timeout=SOON_S, **where) as deliveries:
        for delivery in deliveries:
            found.append(delivery.text())
            delivery.ack()
            if len(found) == count:
                break
    return found


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("offset", "found"),
    [
        ("first", NUMBERS),
        ("last", NUMBERS[-1:]),
        (3, NUMBERS[3:]),
        (HOUR, NUMBERS),
        ("1h", NUMBERS),
        ("7D", NUMBERS),
        (datetime.now(UTC) - HOUR, NUMBERS),
    ],
)
def test_consumers_begin_where_they_ask(topology: Path, offset: Any, found: list[str]) -> None:
    with leveret.open(topology) as broker:
        fill(broker)
        assert texts(broker, len(found), offset=offset) == found


def test_a_consumer_of_what_comes_next_has_nothing_yet(topology: Path) -> None:
    with leveret.open(topology) as broker:
        fill(broker)
        with broker.consume("events", timeout=0.01, offset="next") as deliveries:
            assert list(deliveries) == []


@pytest.mark.parametrize(
    ("offset", "error"), [("yesterday", ValueError), (1.5, TypeError), (True, TypeError)]
)
def test_an_offset_that_says_nothing_is_refused(
    topology: Path, offset: Any, error: type[Exception]
) -> None:
    with leveret.open(topology) as broker, pytest.raises(error, match="offset"):
        broker.consume("events", offset=offset)


def test_a_group_goes_on_behind_what_it_handled_also_after_a_restart(
    topology: Path, tmp_path: Path
) -> None:
    billing = {"offset": "first", "group": "billing"}
    with leveret.open(topology, data=tmp_path / "data") as broker:
        fill(broker)
        assert texts(broker, 2, **billing, prefetch=1) == ["0", "1"]
        assert broker.statistics().lag == {"events": {"billing": 3}}
    with leveret.open(topology, data=tmp_path / "data") as broker:
        assert texts(broker, 3, **billing) == ["2", "3", "4"]
        assert texts(broker, 5, offset="first", group="other") == NUMBERS
        assert broker.statistics().lag == {"events": {"billing": 0, "other": 0}}


def test_a_worker_of_a_group_handles_each_message_and_the_next_goes_on(topology: Path) -> None:
    handled: list[str] = []
    enough = threading.Semaphore(0)

    def handle(delivery: leveret.Delivery) -> None:
        handled.append(delivery.text())
        enough.release()
        if delivery.text() == "3":
            raise ValueError("not this one")

    with leveret.open(topology) as broker:
        fill(broker)
        for more, coming in (("5", 5), ("6", 1)):
            worker = broker.worker(
                "events",
                handle,
                concurrency=2,
                offset="first",
                group="billing",
                dead_letter="failed",
            )
            for _ in range(coming):
                assert enough.acquire(timeout=SOON_S)
            worker.stop()
            broker.publish("", "events", more)
        assert sorted(handled) == ["0", "1", "2", "3", "4", "5"]
        failed = broker.get("failed", timeout=SOON_S)
        assert failed is not None
        assert failed.text() == "3"
        assert broker.statistics().lag == {"events": {"billing": 1}}


def test_messages_of_a_stream_are_not_retried(topology: Path) -> None:
    with leveret.open(topology) as broker, pytest.raises(ValueError, match="'events' is a stream"):
        broker.worker("events", print, retry=leveret.Retry())


def test_streams_in_an_event_loop(topology: Path) -> None:
    async def main() -> None:
        async with leveret.aio.open(topology) as broker:
            for number in NUMBERS:
                await broker.publish("", "events", number)
            found: list[str] = []
            where: dict[str, Any] = {"offset": "first", "group": "billing"}
            async with broker.consume("events", prefetch=1, timeout=SOON_S, **where) as deliveries:
                async for delivery in deliveries:
                    found.append(delivery.text())
                    await delivery.ack()
                    if len(found) == 2:
                        break
            assert broker.statistics().lag == {"events": {"billing": 3}}
            done = asyncio.Event()

            async def handle(delivery: leveret.aio.Delivery) -> None:
                found.append(delivery.text())
                if len(found) == len(NUMBERS):
                    done.set()

            worker = broker.worker("events", handle, **where)
            await asyncio.wait_for(done.wait(), SOON_S)
            await worker.stop()
            assert found == NUMBERS
            assert broker.statistics().lag == {"events": {"billing": 0}}

    asyncio.run(main())
