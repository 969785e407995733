"""A worker on tasks: handlers called for the messages of a queue, a few at a time."""

from __future__ import annotations

import asyncio
import inspect
import logging
from contextlib import ExitStack
from time import perf_counter
from typing import TYPE_CHECKING, Any, Self

from leveret.service.ordering import part_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from leveret.aio.consumer import Inbox
    from leveret.aio.delivery import Delivery
    from leveret.errors import LeveretError
    from leveret.idempotency.seen import Claim
    from leveret.service.working import Work, WorkerStatistics

__all__ = ["Worker"]

logger = logging.getLogger("leveret.service")


class Worker:
    """Handles the messages of one queue in tasks of its own, until it is stopped.

    A handler that returns has its delivery acked; one that raises has it tried again or given up,
    as the worker's retry policy says. One that is no coroutine function runs in a thread, and
    leaves the settling of its delivery to the worker.
    """

    def __init__(
        self, work: Work, handler: Callable[[Delivery], Any], open_inbox: Callable[[], Inbox]
    ) -> None:
        self._work = work
        self._handler = handler
        self._is_async = inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(
            getattr(handler, "__call__", None)  # noqa: B004 # not whether, but which
        )
        self._open_inbox = open_inbox
        self._inbox = open_inbox()
        self._inbox.start()
        self._stopping = False
        self._tasks = [
            asyncio.create_task(self._run(), name=f"{work.name}-{number}")
            for number in range(1, work.concurrency + 1)
        ]

    @property
    def name(self) -> str:
        """The worker's name."""
        return self._work.name

    @property
    def error(self) -> LeveretError | None:
        """Why it ended by itself: its queue is gone. None while it works."""
        return self._inbox.error

    def statistics(self) -> WorkerStatistics:
        """Return its figures as they are now."""
        return self._work.statistics(self._inbox.in_hands)

    async def stop(self, timeout: float | None = None) -> bool:
        """Take nothing new, and wait until what is at work is handled and acked.

        What was delivered and not begun goes back to its queue at once. Return False where that
        took longer than `timeout` seconds: those handlers are cancelled, and their messages come
        again. A handler that stops its own worker does not wait for itself.
        """
        self.begin_to_stop()
        others = [task for task in self._tasks if task is not asyncio.current_task()]
        if not others:
            return False
        _, late = await asyncio.wait(others, timeout=timeout)
        self.force()
        return not late

    def begin_to_stop(self) -> None:
        """Take nothing new."""
        self._stopping = True
        self._inbox.close()

    def force(self) -> None:
        """Cancel the handlers at work."""
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _run(self) -> None:
        while not self._stopping:
            delivery = await self._inbox.take()
            if delivery is not None:
                await self._handle(delivery)
            elif not self._begin_again():
                return

    def _begin_again(self) -> bool:
        """Subscribe again where the broker ended the subscription, and the queue is there still."""
        if self._stopping:
            return False
        inbox = self._work.open_again(self._inbox, self._open_inbox)
        if inbox is None:
            self._stopping = True
            return False
        self._inbox = inbox
        return True

    async def _handle(self, delivery: Delivery) -> None:
        work, part = self._work, part_of(delivery)
        if part is not None and not part.begin(delivery):
            return
        error: Exception | None = None
        result = None
        began = perf_counter()
        claim: Claim | None = None
        try:
            if work.idempotency is not None:
                claim = work.idempotency.begin(delivery)
                if claim.state != "new":
                    work.passed_over(delivery, claim.state)
                    if part is not None:
                        part.done(delivery)
                    return
            with ExitStack() as contexts:
                work.core.observed(delivery, work.queue, contexts)
                if self._is_async:
                    result = await self._handler(delivery)
                else:
                    result = await asyncio.to_thread(self._handler, delivery)
            if claim is not None:
                await asyncio.to_thread(work.remember, claim, delivery, None)
        except asyncio.CancelledError as cancelled:
            # Forced: nobody knows how far it came, so the message comes again.
            if claim is not None:
                work.remember(claim, delivery, cancelled)
            if not work.core.closing:
                delivery._give_back()
            if part is not None:
                part.done(delivery)
            raise
        except Exception as raised:
            error = raised
            if claim is not None:
                work.remember(claim, delivery, error)
        work.ended(delivery, result, error, perf_counter() - began)
        if part is not None:
            part.done(delivery)
        if error is not None:
            logger.debug("the handler of worker %s failed", work.name, exc_info=error)
