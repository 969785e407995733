"""What becomes of a message whose handler failed: again later, or to the dead letters.

A message that is to be tried again leaves its queue at once and is held back by the broker, so that
nobody sleeps with it in hand and those behind it go on; in the same turn the delivery is
acknowledged, so that after a crash either both happened or neither. In a partitioned queue order
comes first: there it stays where it is, and its part waits (`ordering`).
"""

from __future__ import annotations

import logging
import random
from functools import partial
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from leveret.durations import milliseconds
from leveret.properties import Long
from leveret.queues.dead_letter import record_death
from leveret.service.calling import describe
from leveret.service.ordering import part_of
from leveret.service.received import ATTEMPT, FIRST_FAILED_AT, LAST_ERROR

if TYPE_CHECKING:
    from leveret.durations import Duration
    from leveret.queues import AnyMessage
    from leveret.service.core import Core
    from leveret.service.received import Received

__all__ = ["Failures", "Retry"]

logger = logging.getLogger("leveret.service")

#: After this a dead-letter queue that is full or gone is tried again, in milliseconds.
DEAD_LETTER_AGAIN_MS = 60_000


@frozen
class Retry:
    """How often a message is tried, and how long after which failure.

    `attempts` counts the first one. The delay is `first` after the first failure and grows by
    `factor` up to `max`; `jitter` 0.1 makes it up to a tenth longer or shorter, by a source that
    `seed` makes repeatable. Errors of `give_up_on`, or not of `retry_on`, are not tried again.

    >>> policy = Retry(attempts=5, first="1s", factor=2, max="5s")
    >>> [policy.delay_ms(attempt, random.Random()) for attempt in (1, 2, 3, 4)]
    [1000, 2000, 4000, 5000]
    """

    attempts: int = 5
    first: Duration = "1s"
    factor: float = 2.0
    max: Duration = "1m"
    jitter: float = 0.0
    retry_on: tuple[type[Exception], ...] = (Exception,)
    give_up_on: tuple[type[Exception], ...] = ()
    seed: int | None = None

    def __attrs_post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"attempts are 1 or more, not {self.attempts}")
        if self.factor < 1:
            raise ValueError(f"the factor of a backoff is 1 or more, not {self.factor}")
        if milliseconds(self.max) < milliseconds(self.first):
            raise ValueError(f"the largest delay, {self.max}, is below the first, {self.first}")
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"jitter is a share from 0 to 1, not {self.jitter}")

    def wants(self, error: Exception) -> bool:
        """Say whether an error is worth another attempt."""
        return isinstance(error, self.retry_on) and not isinstance(error, self.give_up_on)

    def delay_ms(self, attempt: int, chance: random.Random) -> int:
        """Return how long to wait after an attempt, counted from 1, has failed."""
        max_ms = milliseconds(self.max)
        try:
            delay_ms = min(milliseconds(self.first) * self.factor ** (attempt - 1), max_ms)
        except OverflowError:
            delay_ms = max_ms
        if self.jitter:
            delay_ms *= 1 + self.jitter * chance.uniform(-1, 1)
        return round(delay_ms)


@define(eq=False, repr=False)
class Failures:
    """Decides on the failed messages of one queue. Everything is called under the lock.

    Without `retry` there is one attempt. Without `dead_letter` what is given up is rejected, and
    goes where the queue's own dead-letter exchange leads; with neither, it is dropped, and logged.
    """

    core: Core
    queue: str
    retry: Retry | None = None
    dead_letter: str | None = None
    _random: random.Random = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._random = random.Random(self.retry.seed if self.retry is not None else None)

    def failed(self, delivery: Received, error: Exception) -> str:
        """Settle a delivery whose handler failed: "retried", "dead_lettered" or "rejected".

        Raises:
            DeliveryLostError: it is not held any more.

        """
        attempt = delivery.attempt
        message = self._marked(delivery, error, attempt)
        retry = self.retry
        if retry is not None and attempt < retry.attempts and retry.wants(error):
            due_ms = self.core.now_ms + retry.delay_ms(attempt, self._random)
            part = part_of(delivery)
            if part is not None:
                part.again(delivery, message, due_ms)
                return "retried"
            delivery._end("retried")
            self._hold(message, due_ms, self.queue)
            delivery._acknowledge()
            return "retried"
        if self.dead_letter is not None:
            delivery._end("dead-lettered")
            self._to_dead_letters(message, delivery.queue, self.dead_letter)
            delivery._acknowledge()
            return "dead_lettered"
        delivery._end("rejected")
        delivery._reject_as(message)
        return "rejected"

    def postpone(self, delivery: Received, delay_ms: int) -> None:
        """Hold a message back as it is, and give up its delivery.

        Raises:
            DeliveryLostError: it is not held any more.

        """
        delivery._end("postponed")
        self._hold(delivery.message, self.core.now_ms + delay_ms, delivery.queue)
        delivery._acknowledge()

    def _hold(self, message: AnyMessage, due_ms: int, queue: str) -> None:
        self.core.connection.virtual_host.delays.hold(message, due_ms, queue=queue)

    def _marked(self, delivery: Received, error: Exception, attempt: int) -> AnyMessage:
        """Return the message as it goes on, with what happened in its headers."""
        properties = delivery.properties
        headers = dict(properties.headers or {})
        headers.pop("x-delivery-count", None)
        headers[ATTEMPT] = attempt + 1
        headers[LAST_ERROR] = describe(error)
        headers.setdefault(FIRST_FAILED_AT, Long(self.core.now_ms))
        changed = properties.replaced(headers, properties.expiration)
        return delivery.message.changed(properties=changed)

    def _to_dead_letters(self, message: AnyMessage, died_in: str, name: str) -> None:
        """Put a message into the dead-letter queue, as one that was rejected."""
        host = self.core.connection.virtual_host
        rules = host.broker.profile.deaths
        dead = record_death(
            message, died_in, "rejected", self.core.now_ms, rules, exchange="", routing_key=name
        )
        queue = host.queues.get(name)
        if queue is None or not queue.publish_again(dead):
            why = "is gone" if queue is None else "is full"
            logger.error("dead-letter queue '%s' %s: tried again in a minute", name, why)
            host.broker.work.append(
                partial(self._hold, dead, self.core.now_ms + DEAD_LETTER_AGAIN_MS, name)
            )
