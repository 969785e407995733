"""How coroutines wait for the broker, and are woken by it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leveret.service.waiting import Operation

__all__ = ["wait_for"]


async def wait_for(operation: Operation, timeout_ms: int | None) -> None:
    """Wait until an operation is done. Cancelled, it takes back what can be taken back.

    Raises:
        LeveretError: what the operation ended with.

    """
    if not operation.done:
        woken = asyncio.get_running_loop().create_future()

        def wake() -> None:
            if not woken.done():
                woken.set_result(None)

        operation.on_done = wake
        if timeout_ms is not None:
            operation.end_after(timeout_ms)
        try:
            await woken
        except asyncio.CancelledError:
            # It may have been done in this very turn: then nobody took what it brought.
            operation.cancel()
            raise
    if operation.error is not None:
        raise operation.error
