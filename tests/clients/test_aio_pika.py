"""aio-pika and aiormq: robust connections that come back, RPC, iterators, confirms.

Statements: S57 S81 S83 S116.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from leveret import Broker

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from tests.clients.conftest import Wanted

    from leveret.server.background import RunningServer


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 30))


def test_messages_go_round(wanted: Wanted, url: str) -> None:
    wanted.module("aio_pika")
    import aio_pika

    async def main() -> None:
        async with await aio_pika.connect(url) as connection:
            channel = await connection.channel(publisher_confirms=True)
            await channel.set_qos(prefetch_count=2)
            queue = await channel.declare_queue("q", arguments={"x-max-priority": 3})
            for priority in (0, 3, 1):
                message = aio_pika.Message(
                    b"x", headers={"n": priority}, priority=priority, expiration=60
                )
                await channel.default_exchange.publish(message, "q")
            got = [(await queue.get(no_ack=True)).headers["n"] for _ in range(3)]
            assert got == [3, 1, 0]
            assert await queue.get(fail=False) is None

    run(main())


def test_s57_a_mandatory_message_that_goes_nowhere_is_an_error(wanted: Wanted, url: str) -> None:
    wanted.module("aio_pika")
    import aio_pika
    import aio_pika.exceptions

    async def main() -> None:
        async with await aio_pika.connect(url) as connection:
            channel = await connection.channel(on_return_raises=True)
            with pytest.raises(aio_pika.exceptions.PublishError):
                await channel.default_exchange.publish(aio_pika.Message(b"x"), "nowhere")
            other = await connection.channel()
            with pytest.raises(aio_pika.exceptions.ChannelNotFoundEntity):
                await other.get_queue("nowhere", ensure=True)
            assert not connection.is_closed

    run(main())


def test_messages_not_processed_come_back(wanted: Wanted, url: str) -> None:
    wanted.module("aio_pika")
    import aio_pika

    async def main() -> None:
        async with await aio_pika.connect(url) as connection:
            channel = await connection.channel()
            queue = await channel.declare_queue("q")
            await channel.default_exchange.publish(aio_pika.Message(b"x"), "q")
            with pytest.raises(RuntimeError):
                async with (await queue.get()).process(requeue=True):
                    raise RuntimeError("no luck")
            message = await queue.get()
            assert message.redelivered
            await message.reject(requeue=False)
            assert await queue.get(fail=False) is None

    run(main())


def test_a_robust_connection_survives_its_connection(
    wanted: Wanted, url: str, broker: Broker
) -> None:
    wanted.module("aio_pika")
    import aio_pika

    got: asyncio.Queue[bytes] = asyncio.Queue()

    async def main() -> None:
        connection = await aio_pika.connect_robust(url, reconnect_interval=0.05)
        async with connection:
            channel = await connection.channel()
            queue = await channel.declare_queue("q", exclusive=True)
            exchange = await channel.declare_exchange("x", "direct", auto_delete=True)
            await queue.bind(exchange, "k")

            async def on_message(message: aio_pika.abc.AbstractIncomingMessage) -> None:
                async with message.process():
                    got.put_nowait(message.body)

            await queue.consume(on_message)
            await exchange.publish(aio_pika.Message(b"before"), "k")
            assert await got.get() == b"before"

            back = asyncio.Event()
            connection.reconnect_callbacks.add(lambda *_: back.set())
            await asyncio.to_thread(close_all, broker)
            await back.wait()
            await exchange.publish(aio_pika.Message(b"after"), "k")
            assert await got.get() == b"after"

    def close_all(broker: Broker) -> None:
        for connection in list(broker.connections):
            connection.close()

    run(main())


def test_a_robust_connection_finds_the_broker_that_came_instead(
    wanted: Wanted, url: str, server: RunningServer
) -> None:
    wanted.module("aio_pika")
    import aio_pika

    async def main() -> None:
        connection = await aio_pika.connect_robust(url, reconnect_interval=0.05)
        async with connection:
            channel = await connection.channel()
            queue = await channel.declare_queue("q")
            back = asyncio.Event()
            connection.reconnect_callbacks.add(lambda *_: back.set())
            await asyncio.to_thread(server.serve_instead, Broker())
            await back.wait()
            await channel.default_exchange.publish(aio_pika.Message(b"new"), "q")
            assert (await queue.get(timeout=5)).body == b"new"

    run(main())


def test_s116_its_rpc_pattern_calls_and_raises(wanted: Wanted, url: str) -> None:
    wanted.module("aio_pika")
    import aio_pika
    from aio_pika.patterns import RPC

    async def double(*, number: int) -> int:
        return 2 * number

    async def main() -> None:
        connection = await aio_pika.connect_robust(url)
        async with connection:
            rpc = await RPC.create(await connection.channel())
            await rpc.register("double", double, auto_delete=True)
            results = await asyncio.gather(*(rpc.proxy.double(number=n) for n in range(20)))
            assert list(results) == [2 * n for n in range(20)]
            with pytest.raises(TypeError):
                await rpc.proxy.double(wrong=1)

    run(main())


def test_a_hundred_channels_at_once(wanted: Wanted, url: str) -> None:
    wanted.module("aio_pika")
    import aio_pika

    async def one(connection: aio_pika.abc.AbstractConnection, number: int) -> None:
        async with connection.channel() as channel:
            queue = await channel.declare_queue(exclusive=True)
            await channel.default_exchange.publish(aio_pika.Message(b"%d" % number), queue.name)
            assert (await queue.get(timeout=10)).body == b"%d" % number

    async def main() -> None:
        async with await aio_pika.connect(url) as connection:
            await asyncio.gather(*(one(connection, number) for number in range(100)))

    run(main())


def test_aiormq_s_acks_nacks_and_returns(wanted: Wanted, url: str) -> None:
    wanted.module("aiormq")
    import aiormq
    import aiormq.exceptions

    async def main() -> None:
        connection = await aiormq.connect(url)
        assert connection.server_properties["product"] == "RabbitMQ"
        channel = await connection.channel()
        arguments: dict[str, Any] = {"x-max-length": 1, "x-overflow": "reject-publish"}
        await channel.queue_declare("full", arguments=arguments)
        await channel.basic_publish(b"a", routing_key="full")
        with pytest.raises(aiormq.exceptions.DeliveryError):
            await channel.basic_publish(b"b", routing_key="full")
        with pytest.raises(aiormq.exceptions.PublishError):
            await channel.basic_publish(b"c", routing_key="nowhere", mandatory=True)
        got: asyncio.Queue[Any] = asyncio.Queue()
        consumed = await channel.basic_consume("full", got.put)
        message = await got.get()
        await channel.basic_nack(message.delivery_tag, requeue=True)
        message = await got.get()
        assert message.redelivered
        await channel.basic_ack(message.delivery_tag)
        await channel.basic_cancel(str(consumed.consumer_tag))
        await connection.close()

    run(main())
