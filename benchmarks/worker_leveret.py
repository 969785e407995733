"""leveret's workers, to measure: on threads, on asyncio, with a directory."""

from __future__ import annotations

import asyncio
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import leveret
import leveret.aio
from benchmarks.brokers import BODY, EXCHANGE, KEY, QUEUE
from benchmarks.worker_finish import Contender, Finish

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

__all__ = ["CONTENDERS", "THREADS"]

THREADS = "leveret, threads, concurrency 1"
#: Messages of one `publish_many`, and threads that publish one by one.
_BATCH, _PUBLISHERS = 100, 8


def _broker(data: str | None = None) -> leveret.Broker:
    broker = leveret.Broker(data=data)
    channel = broker.channel()
    channel.exchange_declare(EXCHANGE, "direct", durable=True)
    channel.queue_declare(QUEUE, durable=True)
    channel.queue_bind(QUEUE, EXCHANGE, KEY)
    return broker


def _service(
    finish: Finish, opened: ExitStack, concurrency: int = 1, *, durable: bool = False
) -> leveret.Service:
    folder = opened.enter_context(tempfile.TemporaryDirectory()) if durable else None
    service = opened.enter_context(leveret.open(_broker(folder)))
    service.worker(QUEUE, finish, concurrency=concurrency)
    return service


def _threads(concurrency: int, finish: Finish, opened: ExitStack) -> Callable[[int], None]:
    service = _service(finish, opened, concurrency)
    return partial(_one_by_one, service, finish)


def _one_by_one(service: leveret.Service, finish: Finish, count: int) -> None:
    finish.expect(count)
    _publish(service, count)
    finish.wait()


def _publish(service: leveret.Service, count: int) -> None:
    for _ in range(count):
        service.publish(EXCHANGE, KEY, BODY)


def _durable_one_by_one(finish: Finish, opened: ExitStack) -> Callable[[int], None]:
    return partial(_one_by_one, _service(finish, opened, durable=True), finish)


def _durable_batches(finish: Finish, opened: ExitStack) -> Callable[[int], None]:
    service = _service(finish, opened, durable=True)

    def through(count: int) -> None:
        finish.expect(count)
        for begin in range(0, count, _BATCH):
            service.publish_many([(EXCHANGE, KEY, BODY)] * min(_BATCH, count - begin))
        finish.wait()

    return through


def _durable_publishers(finish: Finish, opened: ExitStack) -> Callable[[int], None]:
    service = _service(finish, opened, durable=True)
    pool = opened.enter_context(ThreadPoolExecutor(_PUBLISHERS))

    def through(count: int) -> None:
        finish.expect(count)
        shares = [len(range(number, count, _PUBLISHERS)) for number in range(_PUBLISHERS)]
        for done in [pool.submit(_publish, service, share) for share in shares]:
            done.result()
        finish.wait()

    return through


def _asyncio(finish: Finish, opened: ExitStack) -> Callable[[int], None]:
    runner = opened.enter_context(asyncio.Runner())
    service = leveret.aio.open(_broker())

    async def handle(delivery: Any) -> None:
        finish(delivery)

    async def start() -> None:
        await service.start()
        service.worker(QUEUE, handle)

    async def through(count: int) -> None:
        handled = asyncio.Event()
        finish.expect(count, handled.set)
        for _ in range(count):
            await service.publish(EXCHANGE, KEY, BODY)
        await handled.wait()

    runner.run(start())
    opened.callback(lambda: runner.run(service.close()))
    return lambda count: runner.run(through(count))


CONTENDERS = [
    Contender(THREADS, partial(_threads, 1)),
    Contender("leveret, threads, concurrency 4", partial(_threads, 4)),
    Contender("leveret, asyncio", _asyncio),
    Contender("leveret, directory, one by one", _durable_one_by_one, 1_000, 500),
    Contender(f"leveret, directory, publish_many of {_BATCH}", _durable_batches, 20_000, 0),
    Contender(f"leveret, directory, {_PUBLISHERS} publishers", _durable_publishers, 4_000, 0),
]
