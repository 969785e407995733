"""Jobs in AMQPStorm: transactions, consumers that take what has come, replies to requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import amqpstorm

if TYPE_CHECKING:
    from benchmarks.soak.job import Job

__all__ = ["answer", "consume", "publish_in_transactions"]

#: How often a job looks for what has come, in seconds.
LOOK_S = 0.05

#: Messages of a transaction at most.
TOGETHER = 5


def publish_in_transactions(job: Job) -> None:
    """Publish a few messages, and commit them; every tenth transaction is rolled back."""
    with _connected(job) as connection, connection.channel() as channel:
        channel.tx.select()
        begun: list[int] = []
        size = 1
        for number, key, body in job.messages():
            job.sent(number)
            channel.basic.publish(body, key, job.publish.exchange, job.properties(number))
            begun.append(number)
            if len(begun) < size:
                continue
            if job.random.random() < 0.1:
                job.ledger.notes([("undone", job.name, undone) for undone in begun])
                channel.tx.rollback()
            else:
                channel.tx.commit()
                job.confirmed(*begun)
            begun.clear()
            size = job.random.randint(1, TOGETHER)


def consume(job: Job) -> None:
    """Take messages and acknowledge each."""

    def take(message: Any) -> None:
        match job.received(message.body, message.redelivered):
            case "ack":
                message.ack()
            case "requeue":
                message.nack(requeue=True)
            case _:
                message.reject(requeue=False)

    _take(job, job.consume.queue, take)


def answer(job: Job) -> None:
    """Answer requests, each with its own body."""

    def reply(message: Any) -> None:
        properties = {"correlation_id": message.correlation_id}
        message.channel.basic.publish(b"re: " + message.body, message.reply_to, "", properties)
        message.ack()

    _take(job, job.consume.queue, reply)


def _take(job: Job, queue: str, take: Any) -> None:
    with _connected(job) as connection, connection.channel() as channel:
        channel.basic.qos(job.consume.prefetch)
        channel.basic.consume(take, queue)
        while not job.stop.wait(LOOK_S):
            channel.process_data_events(auto_decode=False)


def _connected(job: Job) -> Any:
    return amqpstorm.Connection(
        job.host,
        "guest",
        "guest",
        port=job.port,
        heartbeat=20,
        client_properties={"connection_name": job.name},
    )
