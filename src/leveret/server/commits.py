"""Group commits of a served broker: what one turn did is written while the next turns go on.

```
turn ─► journal has news ─► seal ─► thread: write, sync ─► broker.durable ─► confirms, held answers
                              ▲                                  │
                              └───────── more news by then ──────┘
```

One group is written at a time, by a thread, so that the loop never waits for the disk; what
happens meanwhile is the next group. Under load groups grow by themselves.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from attrs import define, field

from leveret.server.logs import tell
from leveret.storage import StorageError, storage_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from leveret.engine.broker import Broker
    from leveret.storage import Storage

__all__ = ["GroupCommits"]

#: How long after the disk refused it is tried again, in seconds.
RETRY_AFTER_S = 1.0


@define(eq=False)
class GroupCommits:
    """Writes what a broker's journal gathers, and tells the broker what is durable.

    `soon` has a call made by the loop's next turn, from whichever thread; `lock` is held while
    the broker is used; `disk_failing` is told when the disk begins to refuse, and when it takes
    what waited: publishers are to stop in between. A broker without a directory costs nothing.
    """

    loop: asyncio.AbstractEventLoop
    soon: Callable[[Callable[[], object]], object]
    lock: AbstractContextManager[object]
    disk_failing: Callable[[bool], object]
    storage: Storage | None = field(default=None, init=False)
    _thread: ThreadPoolExecutor | None = field(default=None, init=False)
    # The write under way.
    _flight: asyncio.Future[int] | None = field(default=None, init=False)
    _failing: bool = field(default=False, init=False)
    _retry: asyncio.TimerHandle | None = field(default=None, init=False)

    def keep(self, broker: Broker) -> None:
        """Write what a broker does from now on, and what it did and did not write yet."""
        self.storage = storage_of(broker)
        if self.storage is None:
            return
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="leveret-storage")
        self.storage.journal.on_news = partial(self.soon, self._commit)
        self.soon(self._commit)

    def drop(self) -> None:
        """Write no longer; what the broker did is written by its next `flush`."""
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self.storage is not None:
            self.storage.journal.on_news = None
        self.storage = self._flight = None
        if self._thread is not None:
            self._thread.shutdown()
            self._thread = None
        self._changed(failing=False)

    async def finish(self, timeout_s: float) -> None:
        """Wait until what was done so far is durable, the disk refuses it, or the time is over."""
        for _ in range(2):  # the group that is being written, and the next
            self._commit()
            if self._flight is not None:
                await asyncio.wait([self._flight], timeout=timeout_s)

    def _commit(self) -> None:
        with self.lock:
            storage = self.storage
            if storage is None or self._flight is not None or self._retry is not None:
                return
            storage.seal()
            if storage.pending:
                self._flight = self.loop.run_in_executor(self._thread, storage.write)
                self._flight.add_done_callback(partial(self._ended, storage))

    def _ended(self, storage: Storage, flight: asyncio.Future[int]) -> None:
        """Tell what is durable now; where the disk refused, try again in a while."""
        error = flight.exception()
        if storage is not self.storage:  # another broker is served by now, or none
            return
        with self.lock:
            self._flight = None
            if isinstance(error, StorageError):
                if not self._failing:
                    tell(logging.ERROR, "cannot write", reason=error)
                self._changed(failing=True)
                self._retry = self.loop.call_later(RETRY_AFTER_S, self._try_again)
                return
            self._changed(failing=False)
            storage.broker.durable(flight.result())
            self._commit()

    def _try_again(self) -> None:
        self._retry = None
        self._commit()

    def _changed(self, *, failing: bool) -> None:
        if failing is not self._failing:
            self._failing = failing
            if not failing:
                tell(logging.INFO, "writing again")
            self.disk_failing(failing)
