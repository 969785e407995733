"""The peers of leveret's workers, in this process too: Celery, dramatiq, `queue.Queue`."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import queue
import threading
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.brokers import BODY
from benchmarks.worker_finish import Contender, Finish

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["contenders"]

_TEXT = BODY.decode()
#: How often Celery looks for messages in memory; by default it is once a second.
_CELERY_POLLS_S = 0.001
# Of the one worker of Celery's: the handler that is measured, and what ends it.
_celery_handlers: list[Finish] = []
_kept = ExitStack()


def contenders() -> list[Contender]:
    """Return the peers that are installed."""
    found = [
        Contender("queue.Queue, a thread", partial(_queue, 1), 20_000),
        Contender("queue.Queue, 4 threads", partial(_queue, 4), 20_000),
    ]
    if importlib.util.find_spec("dramatiq"):
        found += [
            Contender("dramatiq, StubBroker, a thread", partial(_dramatiq, 1), 4_000, 1_000),
            Contender("dramatiq, StubBroker, 4 threads", partial(_dramatiq, 4), 4_000, 1_000),
        ]
    if importlib.util.find_spec("celery"):
        found.append(Contender("Celery, memory, solo pool", _celery, 1_000, 200))
    return found


def _queue(threads: int, finish: Finish, opened: ExitStack) -> Callable[[int], None]:
    line: queue.Queue[bytes | None] = queue.Queue()

    def work() -> None:
        while (body := line.get()) is not None:
            finish(body)
            line.task_done()

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
        opened.callback(worker.join)
    for _ in workers:
        opened.callback(line.put, None)

    def through(count: int) -> None:
        finish.expect(count)
        for _ in range(count):
            line.put(BODY)
        finish.wait()

    return through


def _dramatiq(threads: int, finish: Finish, opened: ExitStack) -> Callable[[int], None]:
    dramatiq: Any = importlib.import_module("dramatiq")
    stub: Any = importlib.import_module("dramatiq.brokers.stub")
    broker = stub.StubBroker()
    opened.callback(broker.close)
    actor = dramatiq.actor(partial(finish), broker=broker, actor_name="bench")
    # The timeout is that of a look at the queue without message: it ends sooner.
    worker = dramatiq.Worker(broker, worker_threads=threads, worker_timeout=100)
    worker.start()
    opened.callback(worker.stop)
    return partial(_send, actor.send, finish)


def _celery(finish: Finish, opened: ExitStack) -> Callable[[int], None]:
    task, transport = _celery_worker()
    _celery_handlers.append(finish)
    opened.callback(_celery_handlers.clear)
    opened.callback(setattr, transport, "polling_interval", transport.polling_interval)
    transport.polling_interval = _CELERY_POLLS_S
    return partial(_send, task.delay, finish)


@functools.cache
def _celery_worker() -> tuple[Any, Any]:
    """Return the task of the one worker, which works until the process ends, and its transport.

    A second worker in a process does not always get what is sent to it in memory.
    """
    celery: Any = importlib.import_module("celery")
    testing: Any = importlib.import_module("celery.contrib.testing.worker")
    app = celery.Celery("bench", broker="memory://", set_as_current=False)
    app.conf.update(task_ignore_result=True, worker_hijack_root_logger=False)

    def handle(text: str) -> None:
        _celery_handlers[-1](text)

    task = app.task(name="bench.handle")(handle)
    starting = testing.start_worker(app, pool="solo", perform_ping_check=False, loglevel="ERROR")
    worker = _kept.enter_context(starting)
    return task, worker.consumer.connection.transport


def _send(send: Callable[[str], object], finish: Finish, count: int) -> None:
    finish.expect(count)
    for _ in range(count):
        send(_TEXT)
    finish.wait()
