"""A worker that sends invoices, with pika's blocking client.

What fails is tried again half a minute later, by way of a queue whose messages expire back into
the first; what fails three times is put aside for a person.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pika

if TYPE_CHECKING:
    from collections.abc import Callable

TRIES = 3
RETRY_AFTER_MS = 30_000
RETRY, FAILED = "invoices.retry", "invoices.failed"


class InvoiceWorker:
    """Sends an invoice for each order that is paid; `send` raises `OSError` where it cannot."""

    def __init__(self, url: str, send: Callable[[dict[str, Any]], None]) -> None:
        self._send = send
        self._connection = pika.BlockingConnection(pika.URLParameters(url))
        self._channel = self._connection.channel()
        self._channel.confirm_delivery()
        self._declare()
        self._channel.basic_qos(prefetch_count=10)
        self._channel.basic_consume("invoices", self._on_order)

    def _declare(self) -> None:
        channel = self._channel
        channel.exchange_declare("orders", "topic", durable=True)
        channel.queue_declare("invoices", durable=True, arguments=_dead_letters_to(RETRY))
        waiting = _dead_letters_to("invoices") | {"x-message-ttl": RETRY_AFTER_MS}
        channel.queue_declare(RETRY, durable=True, arguments=waiting)
        channel.queue_declare(FAILED, durable=True)
        channel.queue_bind("invoices", "orders", "order.*.paid")

    def _on_order(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        try:
            self._send(json.loads(body))
        except OSError:
            if _rejections(properties) + 1 < TRIES:
                channel.basic_reject(method.delivery_tag, requeue=False)
                return
            channel.basic_publish("", FAILED, body, properties)
        channel.basic_ack(method.delivery_tag)

    def run(self) -> None:
        """Work until stopped."""
        self._channel.start_consuming()
        self._connection.close()

    def stop(self) -> None:
        """Have `run` return; any thread may call this."""
        self._connection.add_callback_threadsafe(self._channel.stop_consuming)


def _dead_letters_to(queue: str) -> dict[str, Any]:
    return {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": queue}


def _rejections(properties: Any) -> int:
    """Return how often a message was rejected before; the broker counts in its x-death header."""
    deaths = (properties.headers or {}).get("x-death", [])
    return sum(death["count"] for death in deaths if death["reason"] == "rejected")
