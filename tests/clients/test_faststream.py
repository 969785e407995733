"""FastStream: subscribers, publishers, requests, acknowledgements, every exchange type it has."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.clients.conftest import Wanted


@pytest.fixture
def rabbit(wanted: Wanted) -> Any:
    return wanted.module("faststream.rabbit", "aio_pika")


@pytest.fixture
def stream(rabbit: Any, url: str) -> Any:
    return rabbit.RabbitBroker(url, logger=None)


def run(stream: Any, converse: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        async with stream:
            await stream.start()
            await asyncio.wait_for(converse(), 20)

    asyncio.run(main())


def test_what_one_subscriber_returns_another_gets(stream: Any) -> None:
    got: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    @stream.subscriber("orders")
    @stream.publisher("invoices")
    async def bill(order: dict[str, Any]) -> dict[str, Any]:
        return {**order, "billed": True}

    @stream.subscriber("invoices")
    async def keep(invoice: dict[str, Any]) -> None:
        got.put_nowait(invoice)

    async def converse() -> None:
        await stream.publish({"id": 7}, "orders", headers={"k": "v"}, persist=True)
        assert await got.get() == {"id": 7, "billed": True}

    run(stream, converse)


@pytest.mark.parametrize(
    ("kind", "binding", "published", "reaches"),
    [
        ("DIRECT", "k", "k", True),
        ("DIRECT", "k", "other", False),
        ("FANOUT", "", "whatever", True),
        ("TOPIC", "a.#", "a", True),
        ("TOPIC", "*", "", False),
    ],
)
def test_exchanges_route_as_rabbitmq_s_do(
    rabbit: Any, stream: Any, kind: str, binding: str, published: str, reaches: bool
) -> None:
    exchange = rabbit.RabbitExchange("x", type=rabbit.ExchangeType[kind])
    queue = rabbit.RabbitQueue("q", routing_key=binding)
    got: asyncio.Queue[str] = asyncio.Queue()

    @stream.subscriber(queue, exchange)
    async def keep(text: str) -> None:
        got.put_nowait(text)

    async def converse() -> None:
        await stream.publish("first", exchange=exchange, routing_key=published, mandatory=False)
        await stream.publish("last", "q")
        assert await got.get() == ("first" if reaches else "last")

    run(stream, converse)


def test_a_headers_exchange_looks_at_headers(rabbit: Any, stream: Any) -> None:
    exchange = rabbit.RabbitExchange("x", type=rabbit.ExchangeType.HEADERS)
    queue = rabbit.RabbitQueue("q", bind_arguments={"x-match": "any", "format": "png", "a": 1})
    got: asyncio.Queue[str] = asyncio.Queue()

    @stream.subscriber(queue, exchange)
    async def keep(text: str) -> None:
        got.put_nowait(text)

    async def converse() -> None:
        for text, headers in (("no", {"format": "gif"}), ("yes", {"format": "png"})):
            await stream.publish(text, exchange=exchange, headers=headers, mandatory=False)
        assert await got.get() == "yes"

    run(stream, converse)


def test_requests_are_answered_all_at_once(stream: Any) -> None:
    @stream.subscriber("double")
    async def double(number: int) -> int:
        await asyncio.sleep(0)
        return 2 * number

    async def converse() -> None:
        replies = await asyncio.gather(
            *(stream.request(str(n), "double", timeout=10) for n in range(50))
        )
        assert [await reply.decode() for reply in replies] == [2 * n for n in range(50)]

    run(stream, converse)


def test_a_message_that_fails_is_requeued_and_comes_again(stream: Any, wanted: Wanted) -> None:
    tried: list[bool] = []
    done = asyncio.Event()

    @stream.subscriber("q", ack_policy=wanted.module("faststream").AckPolicy.NACK_ON_ERROR)
    async def second_time_lucky(text: str) -> None:
        tried.append(stream.context.get_local("message").raw_message.redelivered)
        if len(tried) < 2:
            raise RuntimeError("no luck")
        done.set()

    async def converse() -> None:
        await stream.publish("x", "q")
        await done.wait()
        assert tried == [False, True]

    run(stream, converse)
