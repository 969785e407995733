"""The invoice worker, tested against a broker whose clock the tests move."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from invoices import InvoiceWorker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leveret.testing import Amqp

ORDER = {"id": 17, "total": "49.00"}


class Mail:
    """A mail server that may be down."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.attempts = 0
        self.is_down = False

    def send(self, order: dict[str, Any]) -> None:
        """Send an invoice."""
        self.attempts += 1
        if self.is_down:
            raise OSError("mail server unreachable")
        self.sent.append(order)


@pytest.fixture
def mail(amqp: Amqp) -> Iterator[Mail]:
    """Give the mail server behind a worker that runs."""
    mail = Mail()
    worker = InvoiceWorker(amqp.url, mail.send)
    thread = threading.Thread(target=worker.run)
    thread.start()
    yield mail
    worker.stop()
    thread.join()


def test_a_paid_order_is_invoiced(amqp: Amqp, mail: Mail) -> None:
    amqp.publish("orders", "order.17.paid", ORDER)
    amqp.wait_idle()
    assert mail.sent == [ORDER]


def test_an_order_that_is_only_created_is_not(amqp: Amqp, mail: Mail) -> None:
    amqp.publish("orders", "order.17.created", ORDER)
    amqp.wait_idle()
    assert mail.sent == []
    assert [message.routing_key for message in amqp.unroutable] == ["order.17.created"]


def test_what_fails_is_tried_again_after_half_a_minute(amqp: Amqp, mail: Mail) -> None:
    mail.is_down = True
    amqp.publish("orders", "order.17.paid", ORDER)
    amqp.wait_idle()
    assert len(amqp.queue("invoices.retry")) == 1
    mail.is_down = False
    amqp.clock.advance("29s")
    amqp.wait_idle()
    assert mail.sent == []
    amqp.clock.advance("1s")
    amqp.wait_idle()
    assert mail.sent == [ORDER]
    amqp.assert_queues_empty()


def test_what_fails_three_times_is_put_aside(amqp: Amqp, mail: Mail) -> None:
    mail.is_down = True
    amqp.publish("orders", "order.17.paid", ORDER)
    for _ in range(5):
        amqp.wait_idle()
        amqp.clock.advance("30s")
    assert mail.attempts == 3
    assert amqp.queue("invoices.failed").messages[0].json == ORDER
    assert [letter.reason for letter in amqp.dead_letters] == ["rejected", "expired"] * 2


def test_an_order_comes_again_when_the_worker_s_connection_breaks(amqp: Amqp, mail: Mail) -> None:
    amqp.deliver_twice()  # the acknowledgement is lost, as with the connection
    amqp.publish("orders", "order.17.paid", ORDER)
    amqp.wait_idle()
    assert mail.sent == [ORDER, ORDER]  # to be told apart by the mail server
