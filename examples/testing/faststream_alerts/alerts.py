"""A service that turns readings of sensors into alerts, with FastStream.

A page that does not get through is tried again after five minutes, by way of a queue whose
messages expire back into the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from faststream import AckPolicy
from faststream.rabbit import ExchangeType, RabbitBroker, RabbitExchange, RabbitQueue
from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

RETRY_AFTER_MS = 300_000
TOO_HOT = 80

readings = RabbitExchange("readings", type=ExchangeType.TOPIC, durable=True)
hot = RabbitQueue("hot", durable=True, routing_key="reading.*.temperature")
pages = RabbitQueue(
    "pages",
    durable=True,
    arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "pages.retry"},
)
waiting = RabbitQueue(
    "pages.retry",
    durable=True,
    arguments={
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": "pages",
        "x-message-ttl": RETRY_AFTER_MS,
    },
)


class Reading(BaseModel):
    """What a sensor measured."""

    sensor: str
    value: float


def make_broker(url: str, page: Callable[[str], Awaitable[None]]) -> RabbitBroker:
    """Return the service; `page` raises where nobody could be reached."""
    broker = RabbitBroker(url, logger=None)

    @broker.subscriber(hot, readings)
    async def look(reading: Reading) -> None:
        if reading.value > TOO_HOT:
            await broker.publish(f"{reading.sensor}: {reading.value:g} °C", pages, persist=True)

    @broker.subscriber(pages, ack_policy=AckPolicy.REJECT_ON_ERROR)
    async def alert(text: str) -> None:
        await page(text)

    return broker


async def declare(broker: RabbitBroker) -> None:
    """Declare what no subscriber does."""
    await broker.declare_queue(waiting)
