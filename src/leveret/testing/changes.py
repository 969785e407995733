"""What wakes those who wait for something to happen in a broker."""

from __future__ import annotations

import threading

__all__ = ["Changes"]


class Changes:
    """Counts what happens, and has threads wait for more of it.

    It has a lock of its own, so that whoever waits holds nobody up.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        #: How often something happened.
        self.count = 0

    def tell(self) -> None:
        """Note that something happened, and wake those who wait for it."""
        with self._condition:
            self.count += 1
            self._condition.notify_all()

    def wait(self, seen: int, timeout_s: float) -> None:
        """Wait until the count is another than `seen`, or the time is over."""
        with self._condition:
            self._condition.wait_for(lambda: self.count != seen, timeout_s)
