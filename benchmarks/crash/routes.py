"""Where messages of the crash run go: kinds of message, and the queues that each passes through."""

from __future__ import annotations

from typing import Any

__all__ = [
    "BINDINGS",
    "CHAINS",
    "EXCHANGES",
    "PRIORITIES",
    "QUEUES",
    "QUEUES_OF",
    "UNORDERED",
    "chain_of",
]

PRIORITIES = 4

EXCHANGES = {"events": "topic", "all": "fanout"}


def _dead_to(queue: str) -> dict[str, Any]:
    return {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": queue}


#: name -> arguments; all are durable
QUEUES: dict[str, dict[str, Any]] = {
    "orders": _dead_to("rejected"),
    "rejected": {},
    "audit": {},
    "fan1": {},
    "fan2": {"x-queue-type": "quorum"},
    "fan3": {},
    "ledger": {"x-queue-type": "quorum"},
    "urgent": {"x-max-priority": PRIORITIES - 1},
    "short": {"x-max-length": 10, **_dead_to("overflow")},
    "overflow": {},
    "delayed": {"x-message-ttl": 200, **_dead_to("expired")},
    "expired": {},
    "booked": {},
    "done": {},
    "batch1": {},
    "batch2": {},
    "big": {},
    "fleeting": {},
}

#: exchange, routing key, queue
BINDINGS = [
    ("events", "order.#", "orders"),
    ("events", "order.*", "audit"),
    *(("all", "", f"fan{n}") for n in (1, 2, 3)),
]

#: Kind of message -> the chains that it reaches; it is in one queue of a chain at a time.
CHAINS: dict[str, tuple[tuple[str, ...], ...]] = {
    "orders": (("orders", "rejected"), ("audit",)),
    "fan": (("fan1",), ("fan2",), ("fan3",)),
    "ledger": (("ledger",),),
    "urgent": (("urgent",),),
    "short": (("short", "overflow"),),
    "delayed": (("delayed", "expired"),),
    "booked": (("booked", "done"),),
    "batch1": (("batch1",),),
    "batch2": (("batch2",),),
    "big": (("big",),),
    "fleeting": (),  # transient: no later life has them
    "churn0": (("churn0",),),
    "churn1": (("churn1",),),
    "churn2": (("churn2",),),
}

#: Queues that messages come to in another order than that in which they were published.
UNORDERED = {"rejected", "overflow", "expired", "done"}

#: First queue of a chain -> all queues of it.
QUEUES_OF = {chain[0]: chain for chains in CHAINS.values() for chain in chains}

_FIRST = {queue: first for first, chain in QUEUES_OF.items() for queue in chain}


def chain_of(queue: str) -> str:
    """Return the chain that a queue belongs to, by the name of its first queue."""
    return _FIRST[queue]
