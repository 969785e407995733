"""How threads wait for the broker, and are woken by it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leveret.service.core import Core
    from leveret.service.waiting import Operation

__all__ = ["wait_for"]


def wait_for(core: Core, operation: Operation, timeout_ms: int | None) -> None:
    """Wait until an operation is done, in the calling thread, which does not hold the lock.

    Raises:
        LeveretError: what the operation ended with.
        RuntimeError: the caller is the thread that would have to end it.

    """
    if not operation.done:
        if core.server.is_own_thread:
            with core.lock:
                operation.cancel()
            raise RuntimeError(
                f"a callback of the broker cannot wait ({operation.waits_for or 'for an answer'}):"
                " do this in a worker, or in a thread of your own"
            )
        _wait(core, operation, timeout_ms)
    if operation.error is not None:
        raise operation.error


def _wait(core: Core, operation: Operation, timeout_ms: int | None) -> None:
    woken = threading.Lock()
    woken.acquire()
    with core.lock:
        if operation.done:
            return
        operation.on_done = woken.release
        if timeout_ms is not None:
            operation.end_after(timeout_ms)
    try:
        woken.acquire()
    except BaseException:  # a signal: KeyboardInterrupt, or what its handler raised
        with core.lock:
            if not operation.done:
                operation.cancel()
        raise
