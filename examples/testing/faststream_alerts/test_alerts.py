"""The alert service on a real broker, in the event loop of the test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from alerts import declare, make_broker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from leveret.testing import Amqp

pytestmark = pytest.mark.anyio

READING = {"sensor": "boiler", "value": 96.5}


class Pager:
    """A pager that may have no reception."""

    def __init__(self) -> None:
        self.paged: list[str] = []
        self.has_reception = True

    async def page(self, text: str) -> None:
        """Page whoever is on call."""
        if not self.has_reception:
            raise ConnectionError("no reception")
        self.paged.append(text)


@pytest.fixture
def anyio_backend() -> str:
    """Have tests run in asyncio."""
    return "asyncio"


@pytest.fixture
async def pager(amqp: Amqp) -> AsyncIterator[Pager]:
    """Give the pager behind a service that runs."""
    pager = Pager()
    async with make_broker(amqp.url, pager.page) as broker:
        await declare(broker)
        await broker.start()
        yield pager


async def test_a_reading_that_is_too_hot_is_paged(amqp: Amqp, pager: Pager) -> None:
    amqp.publish("readings", "reading.1.temperature", READING)
    amqp.publish("readings", "reading.1.temperature", {**READING, "value": 20})
    await amqp.until_idle()
    assert pager.paged == ["boiler: 96.5 °C"]


async def test_only_temperatures_are_looked_at(amqp: Amqp, pager: Pager) -> None:
    amqp.assert_routed("readings", "reading.1.temperature", to=["hot"])
    amqp.assert_routed("readings", "reading.1.humidity", to=[])


async def test_without_reception_the_page_is_tried_again_every_five_minutes(
    amqp: Amqp, pager: Pager
) -> None:
    pager.has_reception = False
    amqp.publish("readings", "reading.1.temperature", READING)
    for _ in range(2):
        await amqp.until_idle()
        assert len(amqp.queue("pages.retry")) == 1
        amqp.clock.advance("5m")
    await amqp.until_idle()
    pager.has_reception = True
    amqp.clock.advance("4m")
    await amqp.until_idle()
    assert pager.paged == []
    amqp.clock.advance("1m")
    await amqp.until_idle()
    assert pager.paged == ["boiler: 96.5 °C"]
    amqp.assert_no_unacked()


async def test_a_reading_that_makes_no_sense_is_dropped(amqp: Amqp, pager: Pager) -> None:
    amqp.publish("readings", "reading.1.temperature", {"sensor": "boiler"})
    await amqp.until_idle()
    assert amqp.published[0].state == {"hot": "rejected"}
