"""The broker in a service: publish, consume, call and work from threads.

`leveret.open` makes a `Service`; `leveret.aio.open` makes the same for asyncio.

An observer, given to either, is any object with one of these methods: `publishing(exchange,
routing_key, headers)` returns a context manager around a publish, and may add to the headers;
`handling(delivery, queue)` returns one around a handler, and sees the error that it fails with.
"""

from leveret.engine.requests import RequestTimeoutError, RequestUnroutableError
from leveret.service.calling import Reply
from leveret.service.consumer import Consumer
from leveret.service.delivery import Delayed, Delivery
from leveret.service.errors import (
    BatchError,
    CallFailedError,
    ConsumerCancelledError,
    DeliveryLostError,
    PublishError,
    PublishTimeoutError,
    RefusedError,
    ServiceClosedError,
    UnroutableError,
)
from leveret.service.publishing import Outgoing
from leveret.service.retrying import Retry
from leveret.service.service import Service
from leveret.service.statistics import ServiceStatistics
from leveret.service.worker import Worker
from leveret.service.working import WorkerStatistics

#: `leveret.open`: opening a service is making one.
open = Service  # noqa: A001 # read as leveret.open

__all__ = [
    "BatchError",
    "CallFailedError",
    "Consumer",
    "ConsumerCancelledError",
    "Delayed",
    "Delivery",
    "DeliveryLostError",
    "Outgoing",
    "PublishError",
    "PublishTimeoutError",
    "RefusedError",
    "Reply",
    "RequestTimeoutError",
    "RequestUnroutableError",
    "Retry",
    "Service",
    "ServiceClosedError",
    "ServiceStatistics",
    "UnroutableError",
    "Worker",
    "WorkerStatistics",
    "open",
]
