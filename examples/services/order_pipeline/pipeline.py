"""An order pipeline: each step handles messages of one queue, and publishes for the next.

How often a step is tried, how long after which failure, and where an order goes that fails for
good, stands in the topology file. The code has the steps alone.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import leveret
from leveret.dead_letters import DeadLetterQueue, Selection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from leveret.dead_letters import RedriveReport

TOPOLOGY = Path(__file__).with_name("topology.yaml")


class CardDeclined(Exception):
    """The bank answered, and the answer is no. To ask again would not help."""


class Pipeline:
    """Handles orders, once it is made and until its broker closes.

    `charge` and `pack` are given an order; they raise `OSError` where bank or warehouse cannot be
    reached, and may be given the same order twice, where a process died in between: its number is
    what they tell it by.
    """

    def __init__(
        self,
        broker: leveret.Service,
        charge: Callable[[dict[str, Any]], None],
        pack: Callable[[dict[str, Any]], None],
    ) -> None:
        self._broker = broker
        self._charge = charge
        self._pack = pack
        broker.subscribe("bill", self._on_placed)
        broker.subscribe("pack", self._on_paid)

    def place(self, number: int, article: str, cents: int) -> None:
        """Take an order; when this returns, the broker has it."""
        self._tell("placed", {"number": number, "article": article, "cents": cents})

    def _on_placed(self, delivery: leveret.Delivery) -> None:
        order = delivery.json()
        try:
            self._charge(order)
        except CardDeclined as reason:
            self._tell("declined", {**order, "reason": str(reason)})
        else:
            self._tell("paid", order)

    def _on_paid(self, delivery: leveret.Delivery) -> None:
        order = delivery.json()
        self._pack(order)
        self._tell("packed", order)

    def _tell(self, event: str, order: dict[str, Any]) -> None:
        """Publish what happened to an order: no error, no loss, or the step is tried again."""
        properties = leveret.Properties(message_id=f"order-{order['number']}-{event}")
        self._broker.publish(
            "orders", f"order.{event}", order, properties=properties, mandatory=True
        )

    # -- for whoever looks after it

    def put_aside(self, step: str) -> Iterator[tuple[int, str | None]]:
        """Yield the orders that failed for good in a step, with the last error of each."""
        for letter in self._letters(step).show():
            order = json.loads(letter.body)
            yield order["number"], letter.error

    def redrive(self, step: str, error: str | None = None) -> RedriveReport:
        """Send orders that were put aside back to their step; all, or those of an error."""
        return self._letters(step).redrive(Selection(error=error))

    def _letters(self, step: str) -> DeadLetterQueue:
        return DeadLetterQueue(self._broker.engine, f"{step}.dlq", lock=self._broker.lock)


class FlakyBank:
    """A bank that does not answer the first two times."""

    asked = 0

    def charge(self, order: dict[str, Any]) -> None:
        """Take the money."""
        self.asked += 1
        if self.asked <= 2:
            raise ConnectionError("the bank does not answer")
        print(f"order {order['number']} is paid")


if __name__ == "__main__":
    logging.basicConfig(format="%(message)s", stream=sys.stdout)
    with leveret.open(TOPOLOGY) as broker:
        pipeline = Pipeline(broker, FlakyBank().charge, lambda order: print("packed:", order))
        pipeline.place(17, "tent", 19_900)
        if shipment := broker.get("shipments", timeout=30):
            with shipment:
                print("to be shipped: order", shipment.json()["number"])
