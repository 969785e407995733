"""Workers: handlers, retries with backoff, dead letters, and the end: the same on both faces."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import leveret
from leveret import config, errors
from leveret.idempotency import MemorySeen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SOON_S = 60
TOPOLOGY = """
queues:
  billing: {dead_letter: true}
  plain: {}
  letters: {}
subscriptions:
  bill:
    queue: billing
    concurrency: 2
    prefetch: 3
    retry: {attempts: 3, first: 1s, factor: 10, max: 5s}
    dead_letter: letters
"""


@pytest.fixture
def topology(tmp_path: Path) -> config.Topology:
    path = tmp_path / "topology.yaml"
    path.write_text(TOPOLOGY, encoding="utf-8")
    return config.load(path)


@pytest.fixture
def clock() -> leveret.ManualClock:
    return leveret.ManualClock()


@pytest.fixture
def broker(
    open_service: Callable[..., Any], topology: config.Topology, clock: leveret.ManualClock
) -> Any:
    return open_service(topology, clock=clock)


def until(met: Callable[[], bool]) -> None:
    """Let others work until they have come so far."""
    pause = threading.Event()
    for _ in range(SOON_S * 1000):
        if met():
            return
        pause.wait(0.001)
    raise AssertionError("it never came so far")


class Handler:
    """Notes what it is given, and fails as often as it is told to."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.seen: SimpleQueue[tuple[int, str, str | None]] = SimpleQueue()

    def __call__(self, delivery: Any) -> None:
        self.seen.put((delivery.attempt, delivery.text(), delivery.last_error))
        if delivery.attempt <= self.failures:
            raise ValueError(f"no {delivery.attempt}")

    def next(self) -> tuple[int, str, str | None]:
        """Return what it was given next."""
        return self.seen.get(timeout=SOON_S)


def outcome(worker: Any) -> dict[str, int]:
    figures = worker.statistics()
    names = ("handled", "retried", "dead_lettered", "rejected", "lost")
    return {name: getattr(figures, name) for name in names if getattr(figures, name)}


def test_a_handler_that_returns_has_its_message_acked(broker: Any) -> None:
    handler = Handler()
    worker = broker.worker("plain", handler, concurrency=3)
    broker.publish_many([("", "plain", str(number)) for number in range(100)])
    assert sorted(int(handler.next()[1]) for _ in range(100)) == list(range(100))
    until(lambda: outcome(worker) == {"handled": 100})
    figures = broker.statistics().queues["plain"]
    assert (figures.ready, figures.unacked, figures.acked) == (0, 0, 100)
    assert worker.statistics().in_flight == 0


def test_a_coroutine_function_is_a_handler_too(broker: Any) -> None:
    seen: SimpleQueue[bytes] = SimpleQueue()

    async def handle(delivery: Any) -> None:
        await asyncio.sleep(0)
        seen.put(delivery.body)

    worker = broker.worker("plain", handle, concurrency=2)
    broker.publish_many([("", "plain", b"a"), ("", "plain", b"b")])
    assert {seen.get(timeout=SOON_S), seen.get(timeout=SOON_S)} == {b"a", b"b"}
    until(lambda: outcome(worker) == {"handled": 2})


def test_a_failed_message_is_tried_again_later_and_later(
    broker: Any, clock: leveret.ManualClock
) -> None:
    handler = Handler(failures=3)
    retry = leveret.Retry(attempts=4, first="1s", factor=10, max="1m")
    worker = broker.worker("billing", handler, retry=retry)
    broker.publish("", "billing", "x")
    assert handler.next() == (1, "x", None)
    for attempt, seconds in ((2, 1), (3, 10), (4, 60)):
        until(lambda attempt=attempt: outcome(worker) == {"retried": attempt - 1})  # type: ignore[misc]
        assert broker.statistics().virtual_host.delayed == 1
        clock.advance(seconds=seconds - 0.001)
        assert broker.statistics().virtual_host.delayed == 1
        clock.advance(ms=1)
        assert handler.next() == (attempt, "x", f"ValueError: no {attempt - 1}")
    until(lambda: outcome(worker) == {"retried": 3, "handled": 1})


def test_a_message_that_waits_to_be_tried_again_holds_up_nobody(
    broker: Any, clock: leveret.ManualClock
) -> None:
    handler = Handler(failures=1)
    worker = broker.worker("billing", handler, retry=leveret.Retry(first="1h", max="1h"))
    broker.publish("", "billing", "bad")
    handler.next()
    handler.failures = 0
    broker.publish_many([("", "billing", str(number)) for number in range(10)])
    assert [handler.next()[1] for _ in range(10)] == [str(number) for number in range(10)]
    until(lambda: outcome(worker) == {"retried": 1, "handled": 10})
    clock.advance(seconds=3600)
    assert handler.next() == (2, "bad", "ValueError: no 1")


def test_after_the_last_attempt_it_is_dead_lettered_with_the_reason(broker: Any) -> None:
    worker = broker.worker(
        "billing", Handler(failures=9), retry=leveret.Retry(attempts=1), dead_letter="letters"
    )
    broker.publish("", "billing", "x", headers={"mine": 1})
    dead = broker.get("letters", timeout=SOON_S)
    assert dead.text() == "x"
    assert dead.headers["mine"] == 1
    assert dead.headers["x-last-error"] == "ValueError: no 1"
    assert dead.headers["x-first-death-reason"] == "rejected"
    assert dead.headers["x-death"][0]["queue"] == "billing"
    until(lambda: outcome(worker) == {"dead_lettered": 1})


def test_without_a_dead_letter_queue_of_its_own_the_queues_is_used(broker: Any) -> None:
    worker = broker.worker("billing", Handler(failures=9))
    broker.publish("", "billing", "x")
    dead = broker.get("billing.dlq", timeout=SOON_S)
    assert dead.headers["x-last-error"] == "ValueError: no 1"
    assert dead.headers["x-death"][0]["reason"] == "rejected"
    until(lambda: outcome(worker) == {"rejected": 1})


@pytest.mark.parametrize(
    "retry",
    [
        leveret.Retry(give_up_on=(ValueError,)),
        leveret.Retry(retry_on=(OSError,)),
    ],
)
def test_an_error_that_is_not_worth_it_is_not_tried_again(
    broker: Any, retry: leveret.Retry
) -> None:
    broker.worker("billing", Handler(failures=9), retry=retry, dead_letter="letters")
    broker.publish("", "billing", "x")
    assert broker.get("letters", timeout=SOON_S).attempt == 2


def test_a_retry_outlives_the_process(
    open_service: Callable[..., Any], topology: config.Topology, tmp_path: Path
) -> None:
    first = open_service(topology, data=tmp_path / "data", clock=leveret.ManualClock())
    worker = first.worker("billing", Handler(failures=9), retry=leveret.Retry(first="1h", max="1h"))
    first.publish("", "billing", "x")
    until(lambda: outcome(worker) == {"retried": 1})
    first.close()
    clock = leveret.ManualClock()
    second = open_service(topology, data=tmp_path / "data", clock=clock)
    handler = Handler()
    second.worker("billing", handler)
    clock.advance(seconds=3599)
    assert second.statistics().virtual_host.delayed == 1
    clock.advance(seconds=1)
    assert handler.next() == (2, "x", "ValueError: no 1")


def test_a_subscription_of_the_file_says_how_a_queue_is_worked_on(
    broker: Any, clock: leveret.ManualClock
) -> None:
    handler = Handler(failures=9)
    worker = broker.subscribe("bill", handler)
    assert (worker.name, worker.statistics().concurrency) == ("bill", 2)
    broker.publish("", "billing", "x")
    for wait_s in (1, 5):
        handler.next()
        until(lambda: broker.statistics().virtual_host.delayed == 1)
        clock.advance(seconds=wait_s)
    handler.next()
    assert broker.get("letters", timeout=SOON_S).headers["x-last-error"] == "ValueError: no 3"


def test_a_subscription_passes_over_what_was_handled(broker: Any) -> None:
    worker = broker.subscribe("bill", Handler(), idempotency=MemorySeen())
    for skipped in (0, 1):
        broker.publish("", "billing", "x", properties=leveret.Properties(message_id="1"))
        until(lambda: worker.statistics().handled == 1)
        until(lambda skipped=skipped: worker.statistics().skipped == skipped)  # type: ignore[misc]


def test_a_subscription_that_the_file_does_not_have_is_named(broker: Any) -> None:
    with pytest.raises(KeyError, match="no subscription 'bil'; it has 'bill'"):
        broker.subscribe("bil", print)


def test_what_a_worker_needs_is_looked_for_when_it_starts(broker: Any) -> None:
    with pytest.raises(errors.NotFound, match="no queue 'biling'"):
        broker.worker("biling", print)
    with pytest.raises(errors.NotFound, match="no queue 'leters'"):
        broker.worker("billing", print, dead_letter="leters")
    with pytest.raises(ValueError, match="a concurrency of 1 or more, not 0"):
        broker.worker("billing", print, concurrency=0)


def test_a_worker_that_is_stopped_finishes_and_gives_the_rest_back(broker: Any) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def handle(delivery: Any) -> None:
        begun.set()
        assert go_on.wait(SOON_S)

    worker = broker.worker("plain", handle, prefetch=5)
    broker.publish_many([("", "plain", number) for number in range(5)])
    assert begun.wait(SOON_S)
    with ThreadPoolExecutor(1) as others:
        stopping = others.submit(worker.stop)
        until(lambda: broker.statistics().queues["plain"].ready == 4)
        assert not stopping.done()
        go_on.set()
        assert stopping.result(SOON_S)
    figures = broker.statistics().queues["plain"]
    assert (figures.ready, figures.unacked, figures.acked) == (4, 0, 1)
    assert [broker.get("plain").json() for _ in range(4)] == [1, 2, 3, 4]


def test_a_worker_that_is_not_done_in_time_loses_its_message(broker: Any) -> None:
    begun, go_on = threading.Event(), threading.Event()

    async def handle(delivery: Any) -> None:
        begun.set()
        await asyncio.get_running_loop().run_in_executor(None, go_on.wait, SOON_S)

    worker = broker.worker("plain", handle)
    broker.publish("", "plain", "x")
    assert begun.wait(SOON_S)
    assert not worker.stop(0.01)
    broker.close(0.01)
    go_on.set()


def test_a_queue_that_is_deleted_ends_its_worker(broker: Any) -> None:
    worker = broker.worker("plain", Handler())
    broker.channel().queue_delete("plain")
    until(lambda: worker.error is not None)
    assert "queue 'plain' was deleted" in str(worker.error)
    assert worker.stop(SOON_S)


def test_observers_see_publishes_and_handlers(
    open_service: Callable[..., Any], topology: config.Topology
) -> None:
    seen: SimpleQueue[tuple[str, object]] = SimpleQueue()

    class Context:
        def __init__(self, name: str) -> None:
            self.name = name

        def __enter__(self) -> None:
            seen.put((self.name, "began"))

        def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
            seen.put((self.name, kind))

    class Observer:
        def publishing(self, exchange: str, routing_key: str, headers: dict[str, Any]) -> Context:
            headers["trace"] = "7"
            return Context("publishing")

        def handling(self, delivery: Any, queue: str) -> Context:
            assert delivery.headers["trace"] == "7"
            return Context(f"handling {queue}")

    broker = open_service(topology, observers=[Observer(), object()])
    broker.publish("", "billing", "x")
    broker.worker("billing", Handler(failures=1))
    found = [seen.get(timeout=SOON_S) for _ in range(4)]
    assert found == [
        ("publishing", "began"),
        ("publishing", None),
        ("handling billing", "began"),
        ("handling billing", ValueError),
    ]


def test_observers_see_requests(
    open_service: Callable[..., Any], topology: config.Topology
) -> None:
    class Observer:
        @contextlib.contextmanager
        def publishing(
            self, exchange: str, routing_key: str, headers: dict[str, Any]
        ) -> Iterator[None]:
            headers["trace"] = f"to {routing_key}"
            yield

    broker = open_service(topology, observers=[Observer()])
    broker.serve("plain", lambda request: request.headers)
    assert broker.call("plain", 7, headers={"a": 1}).json() == {"a": 1, "trace": "to plain"}


@given(st.integers(1, 40), st.floats(0.001, 100), st.floats(1, 10), st.floats(0, 1), st.integers(0))
def test_delays_grow_up_to_the_largest_give_or_take_the_jitter(
    attempt: int, first: float, factor: float, jitter: float, seed: int
) -> None:
    policy = leveret.Retry(attempts=50, first=first, factor=factor, max=1000, jitter=jitter)
    delay_ms = policy.delay_ms(attempt, random.Random(seed))
    plain_ms = min(round(first * 1000) * factor ** (attempt - 1), 1_000_000)
    assert plain_ms * (1 - jitter) - 1 <= delay_ms <= plain_ms * (1 + jitter) + 1
    assert delay_ms == policy.delay_ms(attempt, random.Random(seed))


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"attempts": 0}, "attempts are 1 or more, not 0"),
        ({"factor": 0.5}, "the factor of a backoff is 1 or more, not 0.5"),
        ({"jitter": 2}, "jitter is a share from 0 to 1, not 2"),
        ({"first": "2m", "max": "1m"}, "the largest delay, 1m, is below the first, 2m"),
        ({"first": "soon"}, "'soon' is not a duration"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        leveret.Retry(**wrong)


PROGRAM = """
import asyncio, logging, signal, sys, threading, time
import leveret, leveret.aio

go_on = threading.Event()
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")

def until_signals_are_heard():
    while signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        time.sleep(0.001)

def handle(delivery):
    until_signals_are_heard()
    print("begun", flush=True)
    sys.stdin.readline() if delivery.text() == "short" else go_on.wait(3600)
    print("done", flush=True)

def threads(body):
    with leveret.open({topology!r}, data={data!r}) as broker:
        broker.worker("plain", handle)
        broker.publish("", "plain", body)
        broker.run()
        print("closed", flush=True)

async def tasks(body):
    async def handle_async(delivery):
        await asyncio.to_thread(until_signals_are_heard)
        print("begun", flush=True)
        if delivery.text() == "short":
            await asyncio.to_thread(sys.stdin.readline)
        else:
            await asyncio.sleep(3600)
        print("done", flush=True)

    async with leveret.aio.open({topology!r}, data={data!r}) as broker:
        broker.worker("plain", handle_async)
        await broker.publish("", "plain", body)
        await broker.run()
        print("closed", flush=True)

if sys.argv[1] == "threads":
    threads(sys.argv[2])
else:
    asyncio.run(tasks(sys.argv[2]))
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("face", ["threads", "tasks"])
@pytest.mark.parametrize("body", ["short", "long"])
def test_a_signal_drains_and_a_second_one_forces(
    face: str, body: str, tmp_path: Path, topology: config.Topology
) -> None:
    data = str(tmp_path / "data")
    program = PROGRAM.format(topology=topology.file, data=data)
    with subprocess.Popen(
        [sys.executable, "-c", program, face, body],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "signal 15: closing; a second one forces\n"
        if body == "long":
            process.send_signal(signal.SIGTERM)
            assert process.stdout.readline() == "signal 15: closing; a second one forces\n"
        else:
            process.stdin.write("go on\n")
            process.stdin.flush()
        said = process.stdout.read()
        assert process.wait(SOON_S) == 0
    assert said == ("done\nclosed\n" if body == "short" else "closed\n")
    with leveret.open(topology, data=data) as broker:
        left = broker.get("plain")
        assert (left is None) is (body == "short")
