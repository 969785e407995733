"""How much memory messages take, and when that is too much (S125).

RabbitMQ compares the memory of its process with a share of the machine's. A Python process gives
freed memory back late or never, and a broker in somebody's program shares its process; so what
the messages held are worth is reckoned as well, and the smaller of the two counts: publishers are
never stopped for memory that no consumer can free.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Callable

    from leveret.engine.broker import Broker

__all__ = ["MemoryAlarm", "held_bytes", "resident_bytes", "total_bytes"]

#: RabbitMQ's `vm_memory_high_watermark`: a share of the machine's memory.
HIGH_WATERMARK = 0.4

_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
_PROCESS = Path("/proc/self/statm")


def total_bytes() -> int:
    """Return the memory that this process may use: the machine's, or its container's."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError):  # no such file, or "max"
        total = min(total, int(_CGROUP_LIMIT.read_text()))
    return total


def resident_bytes() -> int | None:
    """Return the memory this process takes; None where the system does not tell."""
    try:
        pages = int(_PROCESS.read_bytes().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def held_bytes(broker: Broker) -> int:
    """Return what messages are worth: in queues, in transactions, delayed. O(queues, channels)."""
    hosts = broker.virtual_hosts.values()
    held = sum(queue.memory_bytes for host in hosts for queue in host.queues.values())
    held += sum(host.delays.memory_bytes for host in hosts)
    for connection in broker.connections:
        for channel in connection.channels.values():
            held += channel.put_off_bytes
    return held


@define(eq=False)
class MemoryAlarm:
    """Rings at `high_bytes`, and stops when a tenth of that is free again, so as not to flutter."""

    high_bytes: int = field(factory=lambda: int(total_bytes() * HIGH_WATERMARK))
    resident: Callable[[], int | None] = resident_bytes
    ringing: bool = field(default=False, init=False)

    @classmethod
    def of(cls, memory_bytes: int | None) -> MemoryAlarm:
        """Make one that rings at so many bytes whatever the process takes; None: RabbitMQ's."""
        return cls() if memory_bytes is None else cls(memory_bytes, lambda: None)

    def update(self, held: int) -> bool:
        """Take note of the bytes held; say whether the alarm began or ended."""
        threshold = self.high_bytes * 9 // 10 if self.ringing else self.high_bytes
        ringing = held > threshold
        if ringing and not self.ringing:
            resident = self.resident()
            ringing = resident is None or resident > threshold
        changed = ringing is not self.ringing
        self.ringing = ringing
        return changed
