"""The work on one queue, for workers of both faces: what was begun, and how it ended.

A face runs handlers in its own way, in threads or tasks, and tells here what became of each.
Everything is called under the lock.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol, TypeVar

from attrs import define, field, frozen

from leveret.errors import LeveretError
from leveret.service.calling import describe
from leveret.service.errors import DeliveryLostError

if TYPE_CHECKING:
    from collections.abc import Callable

    from leveret.bodies import Body
    from leveret.idempotency.seen import Claim, Idempotency, State
    from leveret.service.core import Core
    from leveret.service.received import Received
    from leveret.service.retrying import Failures

__all__ = ["Work", "WorkerStatistics"]

logger = logging.getLogger("leveret.service")


class Inbox(Protocol):
    """Where deliveries wait for handlers; each face has its own."""

    error: LeveretError | None

    def start(self) -> None:
        """Subscribe."""
        ...

    def close(self) -> None:
        """Take no more."""
        ...


AnyInbox = TypeVar("AnyInbox", bound=Inbox)

#: A message that another handler is at work on comes again after this.
BUSY_AGAIN_MS = 1000


@frozen
class WorkerStatistics:
    """A worker's figures. `seconds` is the time that its handlers took together.

    `lost` counts deliveries that were given back while their handler was still at work; `skipped`
    those whose message was handled before, `postponed` those whose message was being handled.
    """

    name: str
    queue: str
    concurrency: int
    in_flight: int
    handled: int
    retried: int
    dead_lettered: int
    rejected: int
    lost: int
    skipped: int
    postponed: int
    seconds: float


@define(eq=False, repr=False)
class Work:
    """The work of one worker. `replies` sends what a handler returns to who asked."""

    core: Core
    name: str
    queue: str
    concurrency: int
    failures: Failures
    replies: bool = False
    idempotency: Idempotency | None = None
    seconds: float = field(default=0.0, init=False)
    # outcome -> how many
    outcomes: dict[str, int] = field(
        factory=lambda: dict.fromkeys(
            (
                "handled",
                "retried",
                "dead_lettered",
                "rejected",
                "lost",
                "skipped",
                "postponed",
            ),
            0,
        ),
        init=False,
    )

    def ended(
        self, delivery: Received, result: Body, error: Exception | None, seconds: float
    ) -> None:
        """Settle a delivery as its handler ended, unless the handler did so itself."""
        self.seconds += seconds
        try:
            outcome = self._settle(delivery, result, error)
        except DeliveryLostError as lost:
            outcome = "lost"
            logger.warning("worker %s: %s", self.name, lost)
        self.outcomes[outcome] += 1

    def passed_over(self, delivery: Received, state: State) -> None:
        """Settle a delivery whose message was handled before, or is being handled just now."""
        try:
            if state == "handled":
                delivery._ack()
            else:
                self.failures.postpone(delivery, BUSY_AGAIN_MS)
        except DeliveryLostError as lost:
            self.outcomes["lost"] += 1
            logger.warning("worker %s: %s", self.name, lost)
        else:
            self.outcomes["skipped" if state == "handled" else "postponed"] += 1

    def remember(self, claim: Claim, delivery: Received, error: BaseException | None) -> None:
        """Tell the store how a handler ended, without the lock: it may take its time.

        Raises:
            Exception: whatever the store raises where it cannot remember.

        """
        if error is None and delivery.settled in ("", "acked"):
            claim.succeeded()
        else:
            claim.failed()

    def _settle(self, delivery: Received, result: Body, error: Exception | None) -> str:
        if self.replies:
            self._reply(delivery, result, error)
            return "handled" if error is None else "rejected"
        if error is None:
            if not delivery.settled:
                delivery._ack()
            return "handled"
        if delivery.settled:
            logger.error("worker %s failed after it had settled: %s", self.name, describe(error))
            return "rejected"
        outcome = self.failures.failed(delivery, error)
        logger.warning(
            "worker %s: attempt %d of message %s failed and is %s: %s",
            self.name,
            delivery.attempt,
            delivery.message_id,
            outcome.replace("_", "-"),
            describe(error),
        )
        return outcome

    def _reply(self, delivery: Received, result: Body, error: Exception | None) -> None:
        try:
            self.core.reply(delivery, result, error)
        except TypeError as unsendable:
            self.core.reply(delivery, None, unsendable)
        if error is not None:
            logger.warning("request to %s failed: %s", self.name, describe(error))
        if not delivery.settled:
            delivery._ack()

    def open_again(self, inbox: AnyInbox, open_inbox: Callable[[], AnyInbox]) -> AnyInbox | None:
        """Subscribe again where the broker ended the subscription; None where the work is over.

        It is over while the service closes, and where the queue is gone.
        """
        if self.core.closing:
            return None
        if inbox.error is None:  # another handler's turn did it
            return inbox
        inbox.close()
        opened = open_inbox()
        try:
            opened.start()
        except LeveretError as error:
            logger.error("worker %s ends: %s", self.name, error)
            return None
        logger.warning("worker %s begins again: %s", self.name, inbox.error)
        return opened

    def statistics(self, in_flight: int) -> WorkerStatistics:
        """Return the figures as they are now; the face knows how many handlers are at work."""
        return WorkerStatistics(
            name=self.name,
            queue=self.queue,
            concurrency=self.concurrency,
            in_flight=in_flight,
            seconds=self.seconds,
            **self.outcomes,
        )
