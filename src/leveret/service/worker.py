"""A worker on threads: handlers called for the messages of a queue, a few at a time."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from contextlib import ExitStack
from time import perf_counter
from typing import TYPE_CHECKING, Any, Self

from leveret.service.ordering import part_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from leveret.errors import LeveretError
    from leveret.idempotency.seen import Claim
    from leveret.service.consumer import Inbox
    from leveret.service.delivery import Delivery
    from leveret.service.working import Work, WorkerStatistics

__all__ = ["Worker"]

logger = logging.getLogger("leveret.service")


class Worker:
    """Handles the messages of one queue in threads of its own, until it is stopped.

    A handler that returns has its delivery acked; one that raises has it tried again or given up,
    as the worker's retry policy says. A coroutine function runs in an event loop of its thread.
    """

    def __init__(
        self, work: Work, handler: Callable[[Delivery], Any], open_inbox: Callable[[], Inbox]
    ) -> None:
        self._work = work
        self._handler = handler
        self._open_inbox = open_inbox
        self._inbox = open_inbox()
        self._inbox.start()
        self._stopping = False
        self._left = work.concurrency
        #: Set when no handler is at work any more.
        self.drained = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, name=f"{work.name}-{number}", daemon=True)
            for number in range(1, work.concurrency + 1)
        ]
        for thread in self._threads:
            thread.start()

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
        with self._work.core.lock:
            return self._work.statistics(self._inbox.in_hands)

    def stop(self, timeout: float | None = None) -> bool:
        """Take nothing new, and wait until what is at work is handled and acked.

        What was delivered and not begun goes back to its queue at once. Return False where that
        took longer than `timeout` seconds: those handlers go on, and their messages come again when
        the service is closed. A handler that stops its own worker does not wait for itself.
        """
        self.begin_to_stop()
        if threading.current_thread() in self._threads:
            return False
        return self.drained.wait(timeout)

    def begin_to_stop(self) -> None:
        """Take nothing new."""
        self._stopping = True
        self._inbox.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        with ExitStack() as ending:
            ending.callback(self._thread_ended)
            call = self._handler
            if inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(
                getattr(call, "__call__", None)  # noqa: B004 # not whether, but which
            ):
                runner = ending.enter_context(asyncio.Runner())
                call = _in_loop(runner, self._handler)
            while not self._stopping:
                delivery = self._inbox.take()
                if delivery is not None:
                    self._handle(delivery, call)
                elif not self._begin_again():
                    return

    def _begin_again(self) -> bool:
        """Subscribe again where the broker ended the subscription, and the queue is there still."""
        work = self._work
        with work.core.lock:
            if self._stopping:
                return False
            inbox = work.open_again(self._inbox, self._open_inbox)
            if inbox is None:
                self._stopping = True
                return False
            self._inbox = inbox
            return True

    def _thread_ended(self) -> None:
        with self._work.core.lock:
            self._left -= 1
            if not self._left:
                self.drained.set()

    def _handle(self, delivery: Delivery, call: Callable[[Delivery], Any]) -> None:
        work = self._work
        part = part_of(delivery)
        if part is not None:
            with work.core.lock:
                if not part.begin(delivery):
                    return
        elif self._stopping:  # it was taken in the moment of the stop
            with work.core.lock:
                delivery._give_back()
            return
        error: Exception | None = None
        result = None
        began = perf_counter()
        claim: Claim | None = None
        try:
            if work.idempotency is not None:
                claim = work.idempotency.begin(delivery)
                if claim.state != "new":
                    with work.core.lock:
                        work.passed_over(delivery, claim.state)
                        if part is not None:
                            part.done(delivery)
                    return
            if work.core.observers:
                with ExitStack() as contexts:
                    work.core.observed(delivery, work.queue, contexts)
                    result = call(delivery)
            else:
                result = call(delivery)
        except Exception as raised:
            error = raised
        if claim is not None:
            try:
                work.remember(claim, delivery, error)
            except Exception as raised:
                error = error or raised
        seconds = perf_counter() - began
        with work.core.lock:
            work.ended(delivery, result, error, seconds)
            if part is not None:
                part.done(delivery)
        if error is not None:
            logger.debug("the handler of worker %s failed", work.name, exc_info=error)


def _in_loop(
    runner: asyncio.Runner, handler: Callable[[Delivery], Any]
) -> Callable[[Delivery], Any]:
    def call(delivery: Delivery) -> Any:
        return runner.run(handler(delivery))

    return call
