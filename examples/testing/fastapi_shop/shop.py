"""A web service that takes orders, with FastAPI and aio-pika.

An order that came in is published, confirmed, to an exchange; a consumer in the same process
reserves its goods. Where the warehouse does not answer, the order waits a minute and comes again.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import aio_pika
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

if TYPE_CHECKING:
    from aio_pika.abc import AbstractIncomingMessage, AbstractRobustChannel

RETRY_AFTER_MS = 60_000

Reserve = Callable[["Order"], Awaitable[None]]


class Order(BaseModel):
    """What a customer orders."""

    id: int
    sku: str


async def declare(channel: AbstractRobustChannel) -> None:
    """Declare what the service needs."""
    orders = await channel.declare_exchange("orders", "topic", durable=True)
    again = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "reservations"}
    await channel.declare_queue(
        "reservations.retry", durable=True, arguments={**again, "x-message-ttl": RETRY_AFTER_MS}
    )
    rejected = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "reservations.retry"}
    queue = await channel.declare_queue("reservations", durable=True, arguments=rejected)
    await queue.bind(orders, "order.*.created")


def make_app(reserve: Reserve) -> FastAPI:
    """Return the service; `reserve` raises `ConnectionError` while the warehouse is away."""

    async def on_order(message: AbstractIncomingMessage) -> None:
        try:
            await reserve(Order.model_validate_json(message.body))
        except ConnectionError:
            await message.reject(requeue=False)
        else:
            await message.ack()

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        connection = await aio_pika.connect_robust(os.environ["AMQP_URL"])
        async with connection:
            channel = await connection.channel(on_return_raises=True)
            await declare(channel)
            await (await channel.get_queue("reservations")).consume(on_order)
            app.state.orders = await channel.get_exchange("orders")
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/orders", status_code=202)
    async def order(order: Order) -> dict[str, Any]:
        message = aio_pika.Message(
            order.model_dump_json().encode(),
            content_type="application/json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        try:
            await app.state.orders.publish(message, f"order.{order.id}.created", timeout=2)
        except (aio_pika.exceptions.DeliveryError, TimeoutError):
            raise HTTPException(503, "the order was not taken: try again") from None
        return {"id": order.id}

    return app
