"""Celery: workers in processes of their own, with threads and forked, results over RPC.

Statements: S57 S97 S116.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from leveret import Broker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.clients.conftest import Wanted

TASKS = """
import os
import time

from celery import Celery, Task

app = Celery("shop", broker=os.environ["SHOP_URL"], backend=os.environ["SHOP_RESULTS"])
app.conf.update(
    broker_connection_retry_on_startup=True,
    broker_transport_options={"confirm_publish": True},
    result_expires=60,
    task_acks_late=True,
    task_default_queue="shop",
    task_queue_max_priority=10,
    task_send_sent_event=True,
    worker_prefetch_multiplier=1,
    worker_send_task_events=True,
)


@app.task
def add(a, b):
    return a + b


@app.task
def total(numbers):
    return sum(numbers)


@app.task
def where():
    return os.getpid()


@app.task
def now():
    return time.time()


@app.task
def hold(seconds, number):
    time.sleep(seconds)
    with open(os.environ["SHOP_LOG"], "a") as log:
        log.write(f"{number}\\n")
    return number


@app.task(bind=True, max_retries=3)
def third_time_lucky(self: Task):
    if self.request.retries < 2:
        raise self.retry(countdown=0.1)
    return self.request.retries


@app.task
def fail():
    raise ValueError("no luck")
"""

#: How long a result may take, in seconds; a worker forks and imports for some of them.
PATIENCE_S = 30


class Shop:
    """A Celery application and the worker that serves it."""

    def __init__(self, module: Any, broker: Broker, log: Path) -> None:
        self.module = module
        self.broker = broker
        self.log = log

    def __getattr__(self, name: str) -> Any:
        return getattr(self.module, name)


@pytest.fixture(scope="module", params=["threads", "prefork"])
def shop(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, wanted: Wanted
) -> Iterator[Shop]:
    wanted.module("celery")
    folder = tmp_path_factory.mktemp("shop")
    broker = Broker()
    with broker.serve(port=0) as server, pytest.MonkeyPatch.context() as patch:
        for name, value in environment(folder, server.port, "rpc://").items():
            patch.setenv(name, value)
        patch.syspath_prepend(str(folder))
        with working(folder, request.param):
            sys.modules.pop("shop", None)
            module = importlib.import_module("shop")
            try:
                yield Shop(module, broker, folder / "log")
            finally:
                module.app.backend.result_consumer.stop()
                module.app.close()
                sys.modules.pop("shop", None)
    broker.check()


def environment(folder: Path, port: int, results: str) -> dict[str, str]:
    return {
        "SHOP_URL": f"amqp://guest:guest@127.0.0.1:{port}//",
        "SHOP_LOG": str(folder / "log"),
        "SHOP_RESULTS": results,
        "C_FORCE_ROOT": "1",  # celery minds being root, as in a container
    }


@contextlib.contextmanager
def working(folder: Path, pool: str) -> Iterator[None]:
    """Have a worker of the shop in a process of its own."""
    (folder / "shop.py").write_text(TASKS)
    command = [sys.executable, "-m", "celery", "--app", "shop", "worker", "--loglevel", "WARNING"]
    worker = subprocess.Popen(
        [*command, "--pool", pool, "--concurrency", "1", "--hostname", "w@h"],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        worker.send_signal(signal.SIGQUIT)
        worker.wait(PATIENCE_S)


def test_tasks_return_what_they_return(shop: Shop) -> None:
    assert shop.add.delay(2, 3).get(timeout=PATIENCE_S) == 5
    results = [shop.add.delay(n, n) for n in range(20)]
    assert [result.get(timeout=PATIENCE_S) for result in results] == [2 * n for n in range(20)]
    assert shop.where.delay().get(timeout=PATIENCE_S) != os.getpid()

    # What fails, fails here; what is tried again, comes through.
    with pytest.raises(ValueError, match="no luck"):
        shop.fail.delay().get(timeout=PATIENCE_S)
    assert shop.third_time_lucky.delay().get(timeout=PATIENCE_S) == 2

    # Chains and groups.
    celery = importlib.import_module("celery")
    chain = shop.add.s(1, 2) | shop.add.s(10)
    assert chain.apply_async().get(timeout=PATIENCE_S) == 13
    group = celery.group(shop.add.s(n, 1) for n in range(5))
    assert group.apply_async().get(timeout=PATIENCE_S) == [1, 2, 3, 4, 5]
    # Celery's own limit: results by RPC are the caller's alone, so that no task can wait for them.
    chord = celery.chord(shop.add.s(n, 1) for n in range(5))
    with pytest.raises(NotImplementedError, match="result backend"):
        chord(shop.total.s())


CHORD = """
import celery, shop
chord = celery.chord(shop.add.s(n, 1) for n in range(5))
print(chord(shop.total.s()).get(timeout=30))
"""


def test_a_chord_wants_results_that_others_can_read(tmp_path: Path, wanted: Wanted) -> None:
    wanted.module("celery")
    (tmp_path / "results").mkdir()
    assert said(CHORD, tmp_path, Broker(), f"file://{tmp_path}/results") == "15"


WAITING = """
import shop
shop.add.apply_async((1, 2), countdown=60)
print(shop.add.delay(2, 3).get(timeout=30))
"""


def test_with_rabbitmq_3_a_task_that_waits_leaves_its_place_to_others(
    tmp_path: Path, wanted: Wanted
) -> None:
    wanted.module("celery")
    assert said(WAITING, tmp_path, Broker(profile="3.13"), "rpc://") == "5"


def said(program: str, folder: Path, broker: Broker, results: str) -> str:
    """Return what a program printed that uses the shop, with a worker of its own."""
    with broker.serve(port=0) as server, pytest.MonkeyPatch.context() as patch:
        for name, value in environment(folder, server.port, results).items():
            patch.setenv(name, value)
        with working(folder, "threads"):
            done = subprocess.run(
                [sys.executable, "-c", program],
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=60,
            )
    assert not done.returncode, done.stderr
    return done.stdout.strip()


def test_a_countdown_is_waited_for(shop: Shop) -> None:
    assert shop.add.delay(1, 1).get(timeout=PATIENCE_S) == 2  # the worker is there
    asked = time.time()
    assert shop.now.apply_async(countdown=1).get(timeout=PATIENCE_S) >= asked + 1


def test_s97_the_more_urgent_task_is_done_first(shop: Shop) -> None:
    assert shop.add.delay(1, 1).get(timeout=PATIENCE_S) == 2
    results = [shop.hold.apply_async((1, 0), priority=9)]
    for number, priority in ((1, 1), (2, 9), (3, 5)):
        results.append(shop.hold.apply_async((0, number), priority=priority))
    for result in results:
        result.get(timeout=PATIENCE_S)
    order = shop.log.read_text().split()
    # One task is reserved while another runs; the others are the broker's to order.
    assert order.index("2") < order.index("3")
    assert sorted(order) == ["0", "1", "2", "3"]


def test_a_worker_is_inspected_and_controlled(shop: Shop) -> None:
    assert shop.add.delay(1, 1).get(timeout=PATIENCE_S) == 2
    inspected = shop.app.control.inspect(timeout=PATIENCE_S, limit=1)
    assert inspected.ping() == {"w@h": {"ok": "pong"}}
    assert "shop.add" in inspected.registered()["w@h"]
    assert inspected.stats()["w@h"]["total"]["shop.add"] >= 1
    assert [queue["name"] for queue in inspected.active_queues()["w@h"]] == ["shop"]

    # A task revoked before its time is not done. Until then it takes the worker's only place:
    # with RabbitMQ 4, Celery counts by consumer and cannot ask for one more.
    late = shop.add.apply_async((1, 2), countdown=3)
    while not inspected.scheduled()["w@h"]:
        time.sleep(0.05)
    late.revoke()
    while late.id not in inspected.revoked()["w@h"]:
        time.sleep(0.05)
    revoked = importlib.import_module("celery.exceptions").TaskRevokedError
    with pytest.raises(revoked):
        late.get(timeout=PATIENCE_S)


def test_events_tell_the_life_of_a_task(shop: Shop) -> None:
    assert shop.add.delay(1, 1).get(timeout=PATIENCE_S) == 2
    seen: list[tuple[str, str]] = []
    results: list[Any] = []

    def on_event(event: dict[str, Any]) -> None:
        seen.append((event["type"], event.get("uuid", "")))
        if results and seen[-1] == ("task-succeeded", results[0].id):
            receiver.should_stop = True

    with shop.app.connection_for_read() as connection:
        receiver = shop.app.events.Receiver(connection, handlers={"*": on_event})
        for _ in receiver.itercapture(limit=None, timeout=PATIENCE_S, wakeup=False):
            results.append(shop.add.delay(2, 2))
    of_task = [kind for kind, uuid in seen if uuid == results[0].id]
    # "task-sent" is the caller's, on a connection of its own, and may come at any time.
    worker_s = [kind for kind in of_task if kind != "task-sent"]
    assert worker_s == ["task-received", "task-started", "task-succeeded"]


def test_a_worker_comes_back_when_its_connection_is_lost(shop: Shop) -> None:
    assert shop.add.delay(1, 1).get(timeout=PATIENCE_S) == 2
    for connection in list(shop.broker.connections):
        connection.close()
    assert shop.add.apply_async((2, 2), retry=True).get(timeout=PATIENCE_S) == 4
