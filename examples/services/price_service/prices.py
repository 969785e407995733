"""A price service: requests that handlers answer, asked from threads and from asyncio.

A caller names what it wants, `quote` or `basket`; the topology file says which way that goes and
how long the caller waits. Whoever answers may sit in the same process, in threads or in an event
loop, and callers may come over AMQP too.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import leveret
import leveret.aio

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TOPOLOGY = Path(__file__).with_name("topology.yaml")

#: Article -> price of one, in cents.
CATALOGUE: Mapping[str, int] = {"tent": 19_900, "stove": 4_900, "lantern": 2_500}

#: From so many on, so much off, in percent.
DISCOUNTS = ((50, 15), (10, 5))


class UnknownArticle(LookupError):
    """The catalogue has no such article."""


def price(article: str, quantity: int) -> int:
    """Return what some of an article cost together, in cents.

    Raises:
        UnknownArticle: there is none of that name.
        ValueError: nobody buys that few.

    """
    if article not in CATALOGUE:
        raise UnknownArticle(f"no {article!r}; there are {', '.join(CATALOGUE)}")
    if quantity < 1:
        raise ValueError(f"a quantity is 1 or more, not {quantity}")
    percent = next((percent for least, percent in DISCOUNTS if quantity >= least), 0)
    return CATALOGUE[article] * quantity * (100 - percent) // 100


def quote(line: dict[str, Any]) -> dict[str, Any]:
    """Return a line of a basket with what it costs."""
    return line | {"cents": price(line["article"], line["quantity"])}


# -- with threads


def serve_quotes(broker: leveret.Service) -> leveret.Worker:
    """Answer `quote` in four threads; what a handler raises is raised at the caller."""

    def answer(request: leveret.Delivery) -> dict[str, Any]:
        return quote(request.json())

    return broker.serve("quote", answer, concurrency=4)


def ask(broker: leveret.Service, article: str, quantity: int) -> int:
    """Return the price of some of an article, in cents.

    Raises:
        CallFailedError: the service has an error to tell.
        RequestTimeoutError: nobody answered in time.

    """
    reply = broker.call("quote", {"article": article, "quantity": quantity}).json()
    return int(reply["cents"])


# -- with asyncio


class Baskets:
    """Answers `basket` by asking for the quotes of all its lines at once."""

    def __init__(self, broker: leveret.aio.Service) -> None:
        self._broker = broker

    async def serve(self) -> None:
        """Answer both kinds of requests in the running loop."""
        await self._broker.serve("quote", self._quote, concurrency=4)
        await self._broker.serve("basket", self._add_up, concurrency=4)

    async def _quote(self, request: leveret.aio.Delivery) -> dict[str, Any]:
        return quote(request.json())

    async def _add_up(self, request: leveret.aio.Delivery) -> dict[str, Any]:
        asked = (self._broker.call("quote", line) for line in request.json())
        lines = [reply.json() for reply in await asyncio.gather(*asked)]
        return {"lines": lines, "cents": sum(line["cents"] for line in lines)}


async def ask_for_all(broker: leveret.aio.Service, basket: Iterable[tuple[str, int]]) -> int:
    """Return what a basket of articles and quantities costs, in cents."""
    lines = [{"article": article, "quantity": quantity} for article, quantity in basket]
    reply = await broker.call("basket", lines)
    return int(reply.json()["cents"])


async def _show_basket() -> None:
    async with leveret.aio.open(TOPOLOGY) as broker:
        await Baskets(broker).serve()
        cents = await ask_for_all(broker, [("tent", 1), ("lantern", 2)])
        print(f"a tent and two lanterns: {cents / 100:.2f}")


if __name__ == "__main__":
    with leveret.open(TOPOLOGY) as broker:
        serve_quotes(broker)
        print(f"twelve stoves: {ask(broker, 'stove', 12) / 100:.2f}")
    asyncio.run(_show_basket())
