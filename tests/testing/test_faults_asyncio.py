"""Each fault as aio-pika sees it, with a second client beside that is left alone."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import aio_pika
import pytest
from aio_pika import exceptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from aio_pika.abc import AbstractConnection, AbstractIncomingMessage

    from leveret.testing import Amqp

#: How long a conversation may take, on a machine with other things to do.
PATIENCE_S = 60


@contextlib.asynccontextmanager
async def two_clients(amqp: Amqp) -> AsyncIterator[tuple[AbstractConnection, AbstractConnection]]:
    """Give a client that is in for it, by name, and one that is not."""
    clients = [
        await aio_pika.connect(amqp.url, client_properties={"connection_name": name})
        for name in ("victim", "bystander")
    ]
    try:
        yield clients[0], clients[1]
    finally:
        for client in clients:
            with contextlib.suppress(exceptions.AMQPError, ConnectionError):
                await client.close()


def first_call(callbacks: Any) -> asyncio.Future[Any]:
    """Return what a collection of callbacks is first called with, last argument."""
    called: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def call(*arguments: Any) -> None:
        if not called.done():
            called.set_result(arguments[-1])

    callbacks.add(call)
    return called


async def publish(channel: Any, body: bytes, queue: str = "q") -> None:
    message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
    await channel.default_exchange.publish(message, queue)


async def a_dropped_connection_ends_without_a_reason(amqp: Amqp) -> None:
    async with two_clients(amqp) as (victim, bystander):
        closed = first_call(victim.close_callbacks)
        assert amqp.drop_connections("victim") == 1
        assert isinstance(await closed, ConnectionError)
        assert await bystander.channel()


async def a_closed_connection_is_told_why(amqp: Amqp) -> None:
    async with two_clients(amqp) as (victim, bystander):
        closed = first_call(victim.close_callbacks)
        assert amqp.close_connections(320, "node going down", client="victim") == 1
        assert (await closed).args == (320, "CONNECTION_FORCED - node going down")
        assert await bystander.channel()


async def a_frame_cut_in_the_middle_is_the_end(amqp: Amqp) -> None:
    async with two_clients(amqp) as (victim, bystander):
        assert amqp.cut_frame("victim") == 1
        with pytest.raises((ConnectionError, exceptions.AMQPError)):
            await victim.channel()
        assert await bystander.channel()


async def a_login_is_refused_whatever_the_password(amqp: Amqp) -> None:
    async with two_clients(amqp) as (inside, _):
        with amqp.refuse_logins():
            with pytest.raises(exceptions.ProbableAuthenticationError, match="ACCESS_REFUSED"):
                await aio_pika.connect(amqp.url)
            assert await inside.channel()


async def a_blocked_publisher_waits_and_a_consumer_does_not(amqp: Amqp) -> None:
    async with two_clients(amqp) as (publisher, consumer):
        queue = await (await consumer.channel()).declare_queue("q")
        channel = await publisher.channel()
        with amqp.block_connections():
            await publish(channel, b"the last that passes")
            waiting = asyncio.create_task(publish(channel, b"not read"))
            await amqp.until(lambda: amqp._server.clients[0].connection.blocked)
            message = await queue.get(timeout=PATIENCE_S)
            assert message is not None
            assert message.body == b"the last that passes"
            assert not waiting.done()
        await waiting
        assert amqp.queue("q").bodies == [b"not read"]


async def a_closed_channel_is_told_why(amqp: Amqp) -> None:
    async with two_clients(amqp) as (victim, bystander):
        channel, other = await victim.channel(), await bystander.channel()
        closed = first_call(channel.close_callbacks)
        assert amqp.close_channels(406, "unknown delivery tag 9", client="victim") == 1
        assert isinstance(await closed, exceptions.ChannelPreconditionFailed)
        assert await (await victim.channel()).declare_queue("q")
        assert await other.declare_queue("q")


async def a_declaration_is_refused_and_the_next_passes(amqp: Amqp) -> None:
    async with two_clients(amqp) as (victim, bystander):
        amqp.refuse_declares(name="billing")
        with pytest.raises(exceptions.ChannelPreconditionFailed, match="inequivalent arg"):
            await (await victim.channel()).declare_queue("billing", durable=True)
        await (await bystander.channel()).declare_queue("billing", durable=True)


async def a_publish_is_nacked_and_the_next_is_not(amqp: Amqp) -> None:
    async with two_clients(amqp) as clients:
        one, two = [await client.channel() for client in clients]
        await one.declare_queue("q")
        amqp.nack_publishes()
        with pytest.raises(exceptions.DeliveryError):
            await publish(one, b"lost")
        await publish(two, b"taken")
        assert amqp.queue("q").bodies == [b"taken"]


async def confirms_come_when_they_are_let_go(amqp: Amqp) -> None:
    async with two_clients(amqp) as clients:
        channels = [await client.channel() for client in clients]
        await channels[0].declare_queue("q")
        with amqp.hold_confirms():
            waiting = [asyncio.create_task(publish(channel, b"m")) for channel in channels]
            await amqp.until(lambda: len(amqp.queue("q")) == 2)
            await amqp.until_idle()
            assert not any(task.done() for task in waiting)
        await asyncio.gather(*waiting)


async def deliveries_come_one_by_one_as_time_passes(amqp: Amqp) -> None:
    async with two_clients(amqp) as clients:
        got: list[bytes] = []

        async def keep(message: AbstractIncomingMessage) -> None:
            got.append(message.body)
            await message.ack()

        for client, name in zip(clients, ("slow", "beside"), strict=True):
            await (await (await client.channel()).declare_queue(name)).consume(keep)
        with amqp.slow_deliveries("10s"):
            for body in ("1", "2"):
                amqp.publish("", "slow", body)
            amqp.publish("", "beside", "x")
            await amqp.until_idle()
            assert sorted(got) == [b"1", b"x"]
            amqp.clock.advance("10s")
            await amqp.until_idle()
            assert sorted(got) == [b"1", b"2", b"x"]


async def a_message_comes_twice_as_redelivered(amqp: Amqp) -> None:
    async with two_clients(amqp) as clients:
        got: list[tuple[bytes, bool | None]] = []

        async def keep(message: AbstractIncomingMessage) -> None:
            got.append((message.body, message.redelivered))
            await message.ack()

        for client, name in zip(clients, ("q", "other"), strict=True):
            await (await (await client.channel()).declare_queue(name)).consume(keep)
        amqp.deliver_twice()
        amqp.publish("", "q", "a")
        await amqp.until_idle()
        amqp.publish("", "other", "b")
        await amqp.until_idle()
        assert got == [(b"a", False), (b"a", True), (b"b", False)]


async def a_robust_client_finds_durable_queues_after_a_restart(amqp: Amqp) -> None:
    robust = await aio_pika.connect_robust(amqp.url, reconnect_interval=0.01)
    async with robust, two_clients(amqp) as (plain, _):
        closed = first_call(plain.close_callbacks)
        reconnected = first_call(robust.reconnect_callbacks)
        channel = await robust.channel()
        await channel.declare_queue("kept", durable=True)
        await publish(channel, b"m", "kept")
        amqp.restart()
        assert isinstance(await closed, exceptions.ConnectionClosed)
        await reconnected
        queue = await channel.get_queue("kept")
        message = await queue.get(timeout=PATIENCE_S)
        assert message is not None
        assert message.body == b"m"


async def while_the_broker_is_stopped_nobody_connects(amqp: Amqp) -> None:
    url = amqp.url
    amqp.stop()
    for _ in range(2):
        with pytest.raises(ConnectionError):
            await aio_pika.connect(url)
    amqp.start()
    async with await aio_pika.connect(url) as client:
        assert await client.channel()


CONVERSATIONS: list[Callable[[Amqp], Awaitable[None]]] = [
    a_dropped_connection_ends_without_a_reason,
    a_closed_connection_is_told_why,
    a_frame_cut_in_the_middle_is_the_end,
    a_login_is_refused_whatever_the_password,
    a_blocked_publisher_waits_and_a_consumer_does_not,
    a_closed_channel_is_told_why,
    a_declaration_is_refused_and_the_next_passes,
    a_publish_is_nacked_and_the_next_is_not,
    confirms_come_when_they_are_let_go,
    deliveries_come_one_by_one_as_time_passes,
    a_message_comes_twice_as_redelivered,
    a_robust_client_finds_durable_queues_after_a_restart,
    while_the_broker_is_stopped_nobody_connects,
]


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=lambda one: one.__name__)
def test_aio_pika_sees_that(amqp: Amqp, conversation: Callable[[Amqp], Awaitable[None]]) -> None:
    async def main() -> None:
        await asyncio.wait_for(conversation(amqp), PATIENCE_S)

    asyncio.run(main())
