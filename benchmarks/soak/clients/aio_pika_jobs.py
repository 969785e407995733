"""Jobs in aio-pika: confirms awaited together, consumers with callbacks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aio_pika

if TYPE_CHECKING:
    from aio_pika.abc import AbstractIncomingMessage, AbstractRobustConnection

    from benchmarks.soak.job import Job

__all__ = ["consume", "publish"]

#: How many messages are on their way to be confirmed at most.
TOGETHER = 20


def publish(job: Job) -> None:
    """Publish, without waiting for one message's confirm before the next message."""
    asyncio.run(_publish(job))


def consume(job: Job) -> None:
    """Take messages and acknowledge each."""
    asyncio.run(_consume(job))


async def _publish(job: Job) -> None:
    async with await _connected(job) as connection:
        channel = await connection.channel(on_return_raises=True)
        exchange: Any = channel.default_exchange
        if job.publish.exchange:
            exchange = await channel.get_exchange(job.publish.exchange)
        under_way: set[asyncio.Task[None]] = set()

        async def send(number: int, key: str, body: bytes) -> None:
            properties: dict[str, Any] = job.properties(number)
            job.sent(number)
            await exchange.publish(aio_pika.Message(body, **properties), key)
            job.confirmed(number)

        messages = job.messages()
        while (one := await asyncio.to_thread(next, messages, None)) is not None:
            under_way.add(asyncio.create_task(send(*one)))
            if len(under_way) >= TOGETHER:
                await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            for done in [task for task in under_way if task.done()]:
                under_way.remove(done)
                done.result()
        await asyncio.gather(*under_way)


async def _consume(job: Job) -> None:
    async with await _connected(job) as connection:
        channel = await connection.channel()
        await channel.set_qos(job.consume.prefetch)
        queue = await channel.get_queue(job.consume.queue)

        async def take(message: AbstractIncomingMessage) -> None:
            match job.received(message.body, bool(message.redelivered)):
                case "ack":
                    await message.ack()
                case "requeue":
                    await message.nack(requeue=True)
                case _:
                    await message.reject(requeue=False)

        tag = await queue.consume(take)
        await asyncio.to_thread(job.stop.wait)
        await queue.cancel(tag)


async def _connected(job: Job) -> AbstractRobustConnection:
    properties: Any = {"connection_name": job.name}
    return await aio_pika.connect_robust(
        f"{job.url}?heartbeat=20", client_properties=properties, timeout=10
    )
