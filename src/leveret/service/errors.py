"""What the faces for services raise beside AMQP's own refusals.

```
LeveretError
├── PublishError              the broker did not take a message
│   ├── PublishTimeoutError   not in time: a queue was full, or publishers are stopped
│   ├── UnroutableError       it was mandatory, and no queue takes it
│   ├── RefusedError          a queue refused it
│   └── BatchError            some messages of a batch; `failures` says which, and why
├── CallFailedError           the handler of a request raised; the text is its error's
├── DeliveryLostError         a delivery is not the caller's any more: it comes again elsewhere
├── ConsumerCancelledError    the queue that was consumed from is gone
└── ServiceClosedError        the service is closed, or is closing
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leveret.errors import LeveretError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "BatchError",
    "CallFailedError",
    "ConsumerCancelledError",
    "DeliveryLostError",
    "PublishError",
    "PublishTimeoutError",
    "RefusedError",
    "ServiceClosedError",
    "UnroutableError",
]


class PublishError(LeveretError):
    """The broker did not take a message."""


class PublishTimeoutError(PublishError, TimeoutError):
    """The broker did not take a message in time. The text says what it waited for."""


class UnroutableError(PublishError):
    """A mandatory message reached no queue; `reply_text` is RabbitMQ's: NO_ROUTE."""

    reply_code, reply_text = 312, "NO_ROUTE"


class RefusedError(PublishError):
    """A queue refused a message: the broker answered basic.nack."""


class BatchError(PublishError):
    """Some messages of a batch were not taken; all others were.

    `failures` has the place in the batch, from 0, and the error of each.
    """

    def __init__(self, failures: Mapping[int, LeveretError], size: int) -> None:
        first = min(failures)
        super().__init__(
            f"{len(failures)} of {size} messages were not taken; number {first}: {failures[first]}"
        )
        self.failures = dict(failures)


class CallFailedError(LeveretError):
    """The handler of a request raised an error; the text names it."""


class DeliveryLostError(LeveretError):
    """A delivery cannot be settled: it was settled before, or given back for somebody else."""


class ConsumerCancelledError(LeveretError):
    """The queue that was consumed from is gone, or the broker ended the subscription."""


class ServiceClosedError(LeveretError):
    """The service is closed, or is closing and takes nothing new."""
