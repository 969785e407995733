"""Jobs in kombu: confirmed publishing, consumers that drain events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import kombu

if TYPE_CHECKING:
    from benchmarks.soak.job import Job

__all__ = ["consume", "publish"]

#: How often a job looks whether it is to stop, in seconds.
LOOK_S = 0.25


def publish(job: Job) -> None:
    """Publish, each message confirmed before the next."""
    with _connected(job) as connection:
        exchange = kombu.Exchange(job.publish.exchange, no_declare=True)
        producer = connection.Producer(exchange=exchange, auto_declare=False)
        for number, key, body in job.messages():
            job.sent(number)
            properties: dict[str, Any] = job.properties(number)
            # kombu takes seconds
            if (expiration := properties.pop("expiration", None)) is not None:
                properties["expiration"] = int(expiration) / 1000
            producer.publish(
                body,
                routing_key=key,
                content_type="application/data",
                content_encoding="binary",
                confirm_timeout=30,
                **properties,
            )
            job.confirmed(number)


def consume(job: Job) -> None:
    """Take messages and acknowledge each."""
    with _connected(job) as connection:
        queue = kombu.Queue(job.consume.queue, no_declare=True)

        def take(message: Any) -> None:
            match job.received(bytes(message.body), message.delivery_info["redelivered"]):
                case "ack":
                    message.ack()
                case "requeue":
                    message.requeue()
                case _:
                    message.reject()

        with connection.Consumer(
            queue,
            on_message=take,
            prefetch_count=job.consume.prefetch,
            auto_declare=False,
            accept=["application/data"],
        ):
            while not job.stop.is_set():
                try:
                    connection.drain_events(timeout=LOOK_S)
                except TimeoutError:
                    connection.heartbeat_check()


def _connected(job: Job) -> Any:
    return kombu.Connection(
        job.url + "/",
        heartbeat=20,
        transport_options={
            "confirm_publish": True,
            "client_properties": {"connection_name": job.name},
        },
    )
