"""`leveret.aio.serve`: the server in the running loop, its clients beside it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aio_pika
import pytest
import uvloop

import leveret
import leveret.aio

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Any], None]:
    """Return what runs a coroutine, in either loop, for ten seconds at most."""

    def run_in_loop(work: Any) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(asyncio.wait_for(work, 10))

    return run_in_loop


def test_a_client_talks_to_the_broker_in_its_own_loop(
    broker: leveret.Broker, run: Callable[[Any], None]
) -> None:
    async def talk() -> None:
        async with leveret.aio.serve(broker, port=0) as server:
            connection = await aio_pika.connect(server.url)
            async with connection:
                channel = await connection.channel()
                queue = await channel.declare_queue("q")
                broker.basic_publish("", "q", b"from the program")
                message = await queue.get(no_ack=True)
                assert message is not None
                assert message.body == b"from the program"
                await channel.default_exchange.publish(aio_pika.Message(b"back"), "q")
            assert broker.basic_get("q", auto_ack=True)[2] == b"back"
            assert server.url == f"amqp://127.0.0.1:{server.port}"

    run(talk())
    assert broker.timers.on_earlier is None


def test_deadlines_set_by_the_program_are_kept(
    broker: leveret.Broker, run: Callable[[Any], None]
) -> None:
    async def wait() -> None:
        dead = asyncio.Event()
        async with leveret.aio.serve(broker, port=0):
            broker.queue_declare("dead")
            arguments: dict[str, Any] = {
                "x-message-ttl": 20,
                "x-dead-letter-exchange": "",
                "x-dead-letter-routing-key": "dead",
            }
            broker.queue_declare("q", arguments=arguments)
            broker.channel().basic_consume("dead", lambda *_: dead.set(), auto_ack=True)
            broker.basic_publish("", "q", b"short")
            await dead.wait()

    run(wait())


def test_the_server_ends_with_its_context_also_for_an_error(
    broker: leveret.Broker, run: Callable[[Any], None]
) -> None:
    async def fail() -> None:
        async with leveret.aio.serve(broker, port=0) as server:
            connection = await aio_pika.connect(server.url)
            closed = asyncio.get_running_loop().create_future()
            connection.close_callbacks.add(lambda _, error: closed.set_result(error))
            raise ZeroDivisionError
        await closed

    with pytest.raises(ZeroDivisionError):
        run(fail())
    assert not broker.connections


def test_an_address_that_cannot_be_had_leaves_the_broker_as_it_was(
    broker: leveret.Broker, run: Callable[[Any], None]
) -> None:
    async def fail() -> None:
        async with leveret.aio.serve(broker, 0, "192.0.2.1"):
            raise AssertionError

    with pytest.raises(OSError, match="assign"):
        run(fail())
    assert broker.timers.on_earlier is None
    run(fail_not(broker))


async def fail_not(broker: leveret.Broker) -> None:
    async with leveret.aio.serve(broker, 0):
        pass
