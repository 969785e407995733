"""Where a served broker's calls to callbacks wait: in the loop, not in the turn of a client.

A callback that raises is the program's mistake. It is logged by the loop and hurts neither the
client whose message it was nor the callbacks behind it.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from leveret.engine.callbacks import Callbacks

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from leveret.engine.broker import Broker

__all__ = ["LoopOutbox", "put_outbox"]


class LoopOutbox(deque[Any]):
    """An outbox that is always empty: what is put in is made by the loop, in order.

    `soon` has a call made in the loop's next turn; `lock` is held while it is made.
    """

    def __init__(
        self, soon: Callable[[Callable[[], object]], object], lock: AbstractContextManager[object]
    ) -> None:
        super().__init__()
        self._soon = soon
        self._lock = lock

    def append(self, call: Callable[[], object]) -> None:
        """Have a call made by the loop."""
        self._soon(partial(self._make, call))

    def _make(self, call: Callable[[], object]) -> None:
        with self._lock:
            call()


def put_outbox(broker: Broker, outbox: deque[Callable[[], object]]) -> None:
    """Give a broker, and every channel in it, another outbox; what waits goes over."""
    waiting, broker.outbox = broker.outbox, outbox
    for connection in broker.connections:
        for channel in connection.channels.values():
            if isinstance(channel.listener, Callbacks):
                channel.listener.outbox = outbox
    for call in waiting:
        outbox.append(call)
