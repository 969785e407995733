"""Which process does what: each queue is filled by one process and emptied by another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.soak.job import Consume, Publish, Work

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["REACHED", "ROLES"]

#: Job that publishes -> the queues that each of its messages reaches.
REACHED = {
    "orders": ("orders", "audit"),
    "big": ("big",),
    "ledger": ("ledger",),
    "urgent": ("urgent",),
    "delayed": ("expired",),
    "booked": ("booked",),
}


def _pika_first() -> dict[str, Work]:
    from benchmarks.soak.clients import pika_jobs as pika

    return {
        "orders": Work(pika.publish, Publish("events", "order.created.*", 40)),
        "from-booked": Work(pika.consume_in_transactions, Consume("booked", 5, requeue=0.02)),
        "from-rejected": Work(pika.consume, Consume("rejected")),
    }


def _pika_second() -> dict[str, Work]:
    from benchmarks.soak.clients import pika_jobs as pika

    return {
        "big": Work(pika.publish, Publish("", "big", 2, 100_000, 2_000_000)),
        "from-urgent": Work(pika.consume, Consume("urgent", 10, requeue=0.02)),
        "quotes": Work(pika.ask, Publish("", "quotes", 10)),
    }


def _aio_pika_first() -> dict[str, Work]:
    from benchmarks.soak.clients import aio_pika_jobs as aio_pika

    return {
        "ledger": Work(aio_pika.publish, Publish("", "ledger", 40)),
        "from-orders": Work(aio_pika.consume, Consume("orders", 50, requeue=0.03, reject=0.01)),
    }


def _aio_pika_second() -> dict[str, Work]:
    from benchmarks.soak.clients import aio_pika_jobs as aio_pika

    return {
        "urgent": Work(aio_pika.publish, Publish("", "urgent", 40, priorities=True)),
        "from-big": Work(aio_pika.consume, Consume("big", 4, requeue=0.02)),
    }


def _kombu() -> dict[str, Work]:
    from benchmarks.soak.clients import kombu_jobs as kombu

    return {
        "delayed": Work(kombu.publish, Publish("", "delayed", 20, expire=True)),
        "from-ledger": Work(kombu.consume, Consume("ledger", 20, requeue=0.02)),
        "from-audit": Work(kombu.consume, Consume("audit", 100)),
    }


def _amqpstorm() -> dict[str, Work]:
    from benchmarks.soak.clients import amqpstorm_jobs as amqpstorm

    return {
        "booked": Work(amqpstorm.publish_in_transactions, Publish("", "booked", 30)),
        "from-expired": Work(amqpstorm.consume, Consume("expired", 20, requeue=0.02)),
        "from-quotes": Work(amqpstorm.answer, Consume("quotes", 10)),
    }


#: Process -> what makes its jobs, by name. A process imports its own library only.
ROLES: dict[str, Callable[[], dict[str, Work]]] = {
    "pika-1": _pika_first,
    "pika-2": _pika_second,
    "aio-pika-1": _aio_pika_first,
    "aio-pika-2": _aio_pika_second,
    "kombu": _kombu,
    "amqpstorm": _amqpstorm,
}
