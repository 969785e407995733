"""An event log: what happens is written once, and read as often as anybody wants to.

Balances are never stored. They are what the log says when it is read from the start, to its end or
to any moment. Notices are sent once for each movement: their readers share a place in the log,
which outlives them.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import leveret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TOPOLOGY = Path(__file__).with_name("topology.yaml")
LOG = "movements"
LARGE_CENTS = 100_000


def move(broker: leveret.Service, account: str, cents: int) -> None:
    """Write down that money came (or went, below 0); when this returns, the broker has it."""
    kind = "deposited" if cents >= 0 else "withdrawn"
    broker.publish("accounts", f"account.{kind}", {"account": account, "cents": cents})


def place(delivery: leveret.Delivery) -> int:
    """Return the place of a movement in the log."""
    found = delivery.headers["x-stream-offset"]
    assert isinstance(found, int)
    return found


# -- reading what there is


def history(broker: leveret.Service, first: int = 0, end: int | None = None) -> Iterator[Any]:
    """Yield the movements from one place to another, or to where the log ends now."""
    log = broker.statistics().queues[LOG].stream
    assert log is not None
    end = log.next_offset if end is None else min(end, log.next_offset)
    if max(first, log.first_offset) >= end:
        return
    with broker.consume(LOG, prefetch=100, offset=first) as deliveries:
        for delivery in deliveries:
            with delivery:
                yield delivery.json()
            if place(delivery) >= end - 1:
                return


def balances(broker: leveret.Service, end: int | None = None) -> Counter[str]:
    """Return what is on each account: now, or as it was before the movement at a place."""
    found: Counter[str] = Counter()
    for movement in history(broker, end=end):
        found[movement["account"]] += movement["cents"]
    return found


# -- reading on and on


class LiveBalances:
    """Balances that are kept up to date, in memory: read from the start whenever it is made."""

    def __init__(self, broker: leveret.Service) -> None:
        self.cents: Counter[str] = Counter()
        self.next = 0
        self._worker = broker.worker(LOG, self._on_movement, offset="first", name="balances")

    def _on_movement(self, delivery: leveret.Delivery) -> None:
        movement = delivery.json()
        self.cents[movement["account"]] += movement["cents"]
        self.next = place(delivery) + 1


def notify(broker: leveret.Service, send: Callable[[str], None]) -> leveret.Worker:
    """Have a notice sent of each large movement, by whoever is there to do so."""

    def on_movement(delivery: leveret.Delivery) -> None:
        movement = delivery.json()
        if abs(movement["cents"]) >= LARGE_CENTS:
            send(f"{movement['account']}: {movement['cents'] / 100:+.2f}")

    return broker.worker(LOG, on_movement, group="notices", offset="first", name="notices")


def behind(broker: leveret.Service) -> int:
    """Return how many movements nobody looked at for a notice yet."""
    return broker.statistics().lag[LOG].get("notices", 0)


if __name__ == "__main__":
    with leveret.open(TOPOLOGY) as broker:
        for account, cents in (("ann", 250_000), ("bob", 3_000), ("ann", -120_000)):
            move(broker, account, cents)
        print("now:", dict(balances(broker)))
        print("before the last movement:", dict(balances(broker, end=2)))
        print("of all time:", [movement["cents"] for movement in history(broker)])
