"""Jobs in pika: confirmed publishing, consuming, acks within transactions, requests."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pika

if TYPE_CHECKING:
    from benchmarks.soak.job import Job

__all__ = ["ask", "consume", "consume_in_transactions", "publish"]

#: How often a job looks whether it is to stop, in seconds.
LOOK_S = 0.25

#: A reply that takes longer is not waited for: whoever answers was killed.
REPLY_S = 3.0


def publish(job: Job) -> None:
    """Publish, each message confirmed before the next."""
    with _connected(job) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for number, key, body in job.messages():
            job.sent(number)
            properties = pika.BasicProperties(**job.properties(number))
            channel.basic_publish(job.publish.exchange, key, body, properties, mandatory=True)
            job.confirmed(number)


def consume(job: Job) -> None:
    """Take messages and acknowledge each."""
    with _connected(job) as connection:
        _consume(job, connection.channel(), transactional=False)


def consume_in_transactions(job: Job) -> None:
    """Take messages and acknowledge each within a transaction."""
    with _connected(job) as connection:
        channel = connection.channel()
        channel.tx_select()
        _consume(job, channel, transactional=True)


def ask(job: Job) -> None:
    """Send requests, one at a time, and wait for the reply of each."""
    with _connected(job) as connection:
        channel = connection.channel()
        replies: list[tuple[str, bytes]] = []

        def heard(_: Any, __: Any, properties: Any, body: bytes) -> None:
            replies.append((properties.correlation_id, body))

        channel.basic_consume("amq.rabbitmq.reply-to", heard, auto_ack=True)
        for number, key, body in job.messages():
            replies.clear()
            job.ledger.note("asked", number)
            properties = pika.BasicProperties(
                reply_to="amq.rabbitmq.reply-to", correlation_id=str(number)
            )
            channel.basic_publish("", key, body, properties)
            patience_ends = time.monotonic() + REPLY_S
            while not _answer(job, number, body, replies) and time.monotonic() < patience_ends:
                connection.process_data_events(time_limit=LOOK_S)


def _answer(job: Job, number: int, body: bytes, replies: list[tuple[str, bytes]]) -> bool:
    """Say whether the reply came. One to an earlier question, given up since, is passed over."""
    for correlation_id, reply in replies:
        if int(correlation_id) > number:
            job.ledger.note("fault", "a reply to what was not asked yet:", correlation_id)
        if correlation_id == str(number):
            if reply != b"re: " + body:
                job.ledger.note("fault", "another reply to", number)
            job.ledger.note("answered", number)
            return True
    return False


def _connected(job: Job) -> Any:
    parameters = pika.URLParameters(job.url + "%2F?heartbeat=20")
    parameters.client_properties = {"connection_name": job.name}
    return pika.BlockingConnection(parameters)


def _consume(job: Job, channel: Any, *, transactional: bool) -> None:
    channel.basic_qos(prefetch_count=job.consume.prefetch)
    for method, _, body in channel.consume(job.consume.queue, inactivity_timeout=LOOK_S):
        if job.stop.is_set():
            break
        if method is None:
            continue
        match job.received(body, method.redelivered):
            case "ack":
                channel.basic_ack(method.delivery_tag)
            case "requeue":
                channel.basic_nack(method.delivery_tag, requeue=True)
            case _:
                channel.basic_reject(method.delivery_tag, requeue=False)
        if transactional:
            channel.tx_commit()
    channel.cancel()
