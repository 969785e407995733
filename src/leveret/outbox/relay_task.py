"""A relay on asyncio: the database is asked in threads, messages are published in the loop."""

from __future__ import annotations

import asyncio
import inspect
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from sqlalchemy.exc import SQLAlchemyError

from leveret.outbox.relaying import Batch

if TYPE_CHECKING:
    from leveret.outbox.publishers import Publish, PublishAsync
    from leveret.outbox.relaying import Relaying, RelayStatistics

__all__ = ["RelayTask"]

logger = logging.getLogger("leveret.outbox")


class RelayTask:
    """Publishes with confirms, as an async context manager from a task of its own.

    `publish`, async or not, is given an `OutboxMessage`, and returns once it is confirmed. The
    engine is a plain one of SQLAlchemy's, whatever else the program uses. `Outbox.relay_task` makes
    one, and tells the options.
    """

    def __init__(self, relaying: Relaying, publish: Publish | PublishAsync) -> None:
        self._relaying = relaying
        self._publish = publish
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    async def run_once(self) -> int:
        """Publish one batch of what is due; return how many messages were confirmed."""
        relaying = self._relaying
        batch = Batch(await asyncio.to_thread(relaying.fetch))
        if not batch.messages:
            return 0
        for message in batch.publishable(relaying.has_lease):
            try:
                result = self._publish(message)
                if inspect.isawaitable(result):
                    await result
            except Exception as error:
                batch.failures.append((message, error))
            else:
                batch.confirmed.append(message)
        await asyncio.to_thread(relaying.note, batch)
        return len(batch.confirmed)

    def statistics(self) -> RelayStatistics:
        """Return the figures as they are now."""
        return self._relaying.statistics()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self._woken.set)

        self._relaying.on_wake = wake
        self._task = asyncio.create_task(self._run(), name="leveret-outbox")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._relaying.on_wake = lambda: None
        self._stopping = True  # after the batch at hand
        self._woken.set()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        relaying, wait_ms = self._relaying, 0
        while not self._stopping:
            self._woken.clear()
            try:
                if await self.run_once():
                    wait_ms = 0
                    continue
            except SQLAlchemyError as error:
                logger.warning("the outbox cannot be read now, and is tried again: %s", error)
                wait_ms = relaying.poll_ms
            wait_ms = relaying.next_wait_ms(wait_ms)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), wait_ms / 1000)
                wait_ms = 0
