"""The price service, asked from threads, from asyncio and by a client that speaks AMQP."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pika
import pytest
from prices import TOPOLOGY, Baskets, ask, ask_for_all, price, serve_quotes

import leveret
import leveret.aio
from leveret.service import CallFailedError, RequestTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def broker(clock: leveret.ManualClock) -> Iterator[leveret.Service]:
    """Give a broker where nobody answers yet."""
    with leveret.open(TOPOLOGY, clock=clock) as broker:
        yield broker


@pytest.mark.parametrize(
    ("quantity", "cents"), [(1, 4_900), (9, 44_100), (10, 46_550), (50, 208_250)]
)
def test_many_cost_less(quantity: int, cents: int) -> None:
    assert price("stove", quantity) == cents


def test_callers_in_many_threads_each_get_their_own_answer(broker: leveret.Service) -> None:
    serve_quotes(broker)
    with ThreadPoolExecutor(8) as callers:
        prices = list(callers.map(lambda number: ask(broker, "lantern", number), range(1, 10)))
    assert prices == [2_500 * number for number in range(1, 10)]


@pytest.mark.parametrize(
    ("article", "quantity", "text"),
    [
        ("canoe", 1, "UnknownArticle: no 'canoe'; there are tent, stove, lantern"),
        ("tent", 0, "ValueError: a quantity is 1 or more, not 0"),
    ],
)
def test_an_error_of_the_service_is_the_callers(
    broker: leveret.Service, article: str, quantity: int, text: str
) -> None:
    serve_quotes(broker)
    with pytest.raises(CallFailedError, match=text):
        ask(broker, article, quantity)
    assert ask(broker, "tent", 1) == 19_900


def test_a_question_that_nobody_answers_is_given_up_with_its_caller(
    broker: leveret.Service, clock: leveret.ManualClock, until: Callable[..., None]
) -> None:
    with ThreadPoolExecutor(1) as callers:
        asking = callers.submit(ask, broker, "tent", 1)
        until(lambda: broker.statistics().queues["prices.quote"].ready == 1)
        clock.advance(seconds=2)
        assert isinstance(asking.exception(), RequestTimeoutError)
    assert broker.statistics().queues["prices.quote"].ready == 0


def test_a_client_of_amqp_asks_the_same_service(broker: leveret.Service) -> None:
    serve_quotes(broker)
    answers: list[Any] = []

    def answered(channel: Any, method: Any, properties: Any, body: bytes) -> None:
        answers.append(json.loads(body))
        channel.stop_consuming()

    with (
        broker.serve(port=0) as server,
        pika.BlockingConnection(pika.URLParameters(server.url)) as connection,
    ):
        channel = connection.channel()
        reply_to = "amq.rabbitmq.reply-to"
        channel.basic_consume(reply_to, answered, auto_ack=True)
        asked = pika.BasicProperties(reply_to=reply_to, correlation_id="1")
        channel.basic_publish("prices", "quote", '{"article": "tent", "quantity": 2}', asked)
        channel.start_consuming()
    assert answers == [{"article": "tent", "quantity": 2, "cents": 39_800}]


def test_a_basket_asks_for_its_lines_at_once() -> None:
    async def ask_for_two() -> None:
        async with leveret.aio.open(TOPOLOGY) as broker:
            await Baskets(broker).serve()
            assert await ask_for_all(broker, [("tent", 1), ("stove", 10)]) == 19_900 + 46_550

    asyncio.run(ask_for_two())


def test_a_basket_with_an_unknown_line_is_refused_with_the_reason() -> None:
    async def ask_for_a_canoe() -> None:
        async with leveret.aio.open(TOPOLOGY) as broker:
            await Baskets(broker).serve()
            with pytest.raises(CallFailedError, match="UnknownArticle: no 'canoe'"):
                await ask_for_all(broker, [("tent", 1), ("canoe", 1)])

    asyncio.run(ask_for_a_canoe())


def test_in_a_loop_a_caller_waits_as_long_as_the_file_says() -> None:
    async def ask_nobody() -> None:
        clock = leveret.ManualClock()
        async with leveret.aio.open(TOPOLOGY, clock=clock) as broker:
            asking = asyncio.create_task(broker.call("quote", {}))
            await asyncio.sleep(0)  # it asks
            clock.advance(seconds=2)
            with pytest.raises(RequestTimeoutError, match="within 2000 ms"):
                await asking

    asyncio.run(ask_nobody())
