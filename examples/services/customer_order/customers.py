"""Changes of customers, applied in order for each, while others are handled at the same time.

Two words in the topology file see to the order: `partitions` and `by`. Any number of workers, in
this process or in others over AMQP, may come and go.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import leveret

if TYPE_CHECKING:
    from collections.abc import Iterable

TOPOLOGY = Path(__file__).with_name("topology.yaml")


class OutOfOrder(Exception):
    """A change came before the one that precedes it."""


class Customers:
    """What is known of customers: a stand-in for their table. Threads may share it."""

    def __init__(self) -> None:
        #: Customer and version of each change, as it is applied.
        self.applied: SimpleQueue[tuple[int, int]] = SimpleQueue()
        # customer -> version of the last change -> what was changed by it
        self._changes: dict[int, dict[int, dict[str, Any]]] = defaultdict(dict)
        self._lock = threading.Lock()

    def apply(self, customer: int, version: int, change: dict[str, Any]) -> None:
        """Apply a change; one that comes once more changes nothing.

        Raises:
            OutOfOrder: it is not the next one.

        """
        with self._lock:
            changes = self._changes[customer]
            if version > len(changes) + 1:
                raise OutOfOrder(f"change {version} of customer {customer} after {len(changes)}")
            changes[version] = change
        self.applied.put((customer, version))

    def profile(self, customer: int) -> dict[str, Any]:
        """Return a customer with all changes applied."""
        with self._lock:
            return {
                name: value
                for change in self._changes[customer].values()
                for name, value in change.items()
            }


def tell(broker: leveret.Service, changes: Iterable[tuple[int, int, dict[str, Any]]]) -> None:
    """Publish changes: customer, version and what is new, in order for each customer."""
    broker.publish_many(
        leveret.Outgoing(
            "customers",
            "customer.changed",
            {"version": version, "change": change},
            headers={"customer_id": customer},
            properties=leveret.Properties(message_id=f"customer-{customer}-{version}"),
        )
        for customer, version, change in changes
    )


def work(broker: leveret.Service, customers: Customers) -> leveret.Worker:
    """Apply changes as they come, until the worker is stopped."""

    def apply(delivery: leveret.Delivery) -> None:
        said = delivery.json()
        customer = delivery.headers["customer_id"]
        assert isinstance(customer, int)
        customers.apply(customer, said["version"], said["change"])

    return broker.subscribe("apply", apply)


def part(broker: leveret.Service, customer: int) -> str:
    """Return the queue in which the changes of a customer wait."""
    headers = leveret.Properties(headers={"customer_id": customer})
    [queue] = broker.explain("customers", "customer.changed", headers).queues
    return queue


if __name__ == "__main__":
    with leveret.open(TOPOLOGY) as broker:
        known = Customers()
        tell(broker, ((customer, 1, {"city": "Lyon"}) for customer in range(4)))
        tell(broker, ((customer, 2, {"city": "Turin"}) for customer in range(0, 4, 2)))
        with work(broker, known):
            for _ in range(6):
                known.applied.get()
        for customer in range(4):
            print(customer, part(broker, customer), known.profile(customer))
