"""Waiting for what clients and broker do, in place of sleeping."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import time
from typing import TYPE_CHECKING, Any, TypeVar

from leveret.testing.core import Core
from leveret.testing.durations import seconds
from leveret.testing.idle import in_flight

if TYPE_CHECKING:
    from collections.abc import Callable

    from leveret.testing.durations import Duration

__all__ = ["Waiting"]

T = TypeVar("T")

#: A condition may depend on clients alone: it is looked at again after so long in any case.
_LOOK_AGAIN_S = 0.01

#: The server's thread is taken for stuck where it does nothing for so long.
_STUCK_S = 60


class Waiting(Core):
    """Waiting for a condition, or for nothing to be in flight."""

    def wait_until(self, condition: Callable[[], T], timeout: Duration = "10s") -> T:
        """Wait until a condition holds; return what it returned.

        It is asked again whenever something happens in the broker, with the lock held.

        Raises:
            TimeoutError: it did not hold in time.

        """
        _refuse_in_loop("wait_until")
        end_s = time.monotonic() + seconds(timeout)
        while True:
            seen = self._changes.count
            with self.lock:
                found = condition()
            if found:
                return found
            self._wait(seen, end_s, f"what was waited for did not happen within {timeout}")

    def wait_idle(self, timeout: Duration = "10s", *, handled: bool = True) -> None:
        """Wait until nothing is in flight between the broker and its clients.

        That is: no byte that a client sent is left to be worked off, and none to be sent; every
        delivery is acknowledged or rejected (`handled=False` does not wait for that); no callback
        is left to be made; no timer is due.

        Raises:
            TimeoutError: something was in flight still; the text lists it.

        """
        _refuse_in_loop("wait_idle")
        end_s = time.monotonic() + seconds(timeout)
        while True:
            seen = self._changes.count
            left = self._in_flight(handled)
            if left:
                lines = "\n".join(f"- {line}" for line in left)
                self._wait(seen, end_s, f"not idle within {timeout}:\n{lines}")
                continue
            self._turn()  # what the server's thread has read and not taken in comes before this
            with self.lock:
                if self._changes.count == seen and not self._in_flight(handled):
                    return

    async def until_idle(self, timeout: Duration = "10s", *, handled: bool = True) -> None:
        """Do as `wait_idle`, for tests that run in an event loop.

        Raises:
            TimeoutError: something was in flight still.

        """
        await asyncio.to_thread(functools.partial(self.wait_idle, timeout, handled=handled))

    async def until(self, condition: Callable[[], T], timeout: Duration = "10s") -> T:
        """Do as `wait_until`, for tests that run in an event loop.

        Raises:
            TimeoutError: it did not hold in time.

        """
        return await asyncio.to_thread(functools.partial(self.wait_until, condition, timeout))

    def _wait(self, seen: int, end_s: float, failure: str) -> None:
        """Wait for something to happen after what was seen.

        Raises:
            TimeoutError: the time is over.

        """
        left_s = end_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError(failure)
        self._changes.wait(seen, min(left_s, _LOOK_AGAIN_S))

    def _in_flight(self, handled: bool) -> list[str]:
        with self.lock:
            return in_flight(self._broker, self._server, handled=handled)

    # -- the server's thread

    def _turn(self) -> None:
        """Let the server's thread do what it has to do."""
        self._in_loop(lambda: None)

    def _in_loop(self, call: Callable[[], Any]) -> None:
        """Have a call made by the server's thread, with the lock held; wait for its end."""
        loop = self._server.loop
        if asyncio._get_running_loop() is loop:  # one of its callbacks calls
            call()
            return
        done: concurrent.futures.Future[None] = concurrent.futures.Future()

        def make() -> None:
            try:
                with self.lock:
                    call()
            except BaseException as error:
                done.set_exception(error)
            else:
                done.set_result(None)

        loop.call_soon_threadsafe(make)
        done.result(_STUCK_S)


def _refuse_in_loop(name: str) -> None:
    """Refuse to hold an event loop up, in which clients may live.

    Raises:
        RuntimeError: one runs in this thread.

    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError(
        f"{name}() would hold up the event loop that your clients run in: await amqp.until_idle()"
        " or amqp.until(condition)"
    )
