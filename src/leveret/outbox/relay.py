"""A relay on a thread: it publishes what the outbox holds, and waits for more."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Self

from sqlalchemy.exc import SQLAlchemyError

from leveret.outbox.relaying import Batch

if TYPE_CHECKING:
    from leveret.outbox.publishers import Publish
    from leveret.outbox.relaying import Relaying, RelayStatistics

__all__ = ["Relay"]

logger = logging.getLogger("leveret.outbox")


class Relay:
    """Publishes with confirms, as a context manager from a thread of its own.

    `publish` is given an `OutboxMessage`, and returns once it is confirmed. `Outbox.relay` makes
    one, and tells the options.
    """

    def __init__(self, relaying: Relaying, publish: Publish) -> None:
        self._relaying = relaying
        self._publish = publish
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def run_once(self) -> int:
        """Publish one batch of what is due; return how many messages were confirmed.

        For a program that has a loop of its own; otherwise `start`.
        """
        relaying = self._relaying
        batch = Batch(relaying.fetch())
        if not batch.messages:
            return 0
        for message in batch.publishable(relaying.has_lease):
            try:
                self._publish(message)
            except Exception as error:
                batch.failures.append((message, error))
            else:
                batch.confirmed.append(message)
        relaying.note(batch)
        return len(batch.confirmed)

    def statistics(self) -> RelayStatistics:
        """Return the figures as they are now."""
        return self._relaying.statistics()

    # -- on a thread

    def start(self) -> None:
        """Begin to publish from a thread."""
        self._thread = threading.Thread(target=self._run, name="leveret-outbox", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after the batch at hand."""
        self._stopping.set()
        self._relaying.wake()
        if self._thread is not None:
            self._thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        relaying, wait_ms = self._relaying, 0
        while not self._stopping.is_set():
            relaying.woken.clear()
            try:
                if self.run_once():
                    wait_ms = 0
                    continue
            except SQLAlchemyError as error:
                logger.warning("the outbox cannot be read now, and is tried again: %s", error)
                wait_ms = relaying.poll_ms
            wait_ms = relaying.next_wait_ms(wait_ms)
            if relaying.woken.wait(wait_ms / 1000):
                wait_ms = 0
