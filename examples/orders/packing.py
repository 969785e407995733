"""Two people pack orders at one table; one goes home with three orders in hand.

Run it from anywhere: `python examples/orders/packing.py`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import leveret

if TYPE_CHECKING:
    from leveret.engine.methods import Deliver

FOLDER = Path(__file__).parent


def morning() -> leveret.Broker:
    """Return a broker that holds the orders of the morning."""
    broker = leveret.Broker.from_file(FOLDER / "topology.yaml", clock=leveret.ManualClock(), seed=1)
    for line in (FOLDER / "messages.jsonl").read_text(encoding="utf-8").splitlines():
        message = json.loads(line)
        properties = leveret.Properties(headers=message.get("headers"))
        body = json.dumps(message["body"])
        broker.basic_publish(message["exchange"], message.get("routing_key", ""), body, properties)
    return broker


def main() -> None:
    """Print who packed what."""
    broker = morning()
    mira, tomas = broker.channel(), broker.channel()
    packed: list[str] = []
    in_hand: list[str] = []
    again: list[str] = []

    def pack(channel: leveret.Channel, method: Deliver, _: leveret.Properties, body: bytes) -> None:
        order = json.loads(body)["order"]
        (again if method.redelivered else packed).append(order)
        channel.basic_ack(method.delivery_tag)

    def take(_: leveret.Channel, __: Deliver, ___: leveret.Properties, body: bytes) -> None:
        in_hand.append(json.loads(body)["order"])

    tomas.basic_qos(prefetch_count=3)
    tomas.basic_consume("packing", take)
    mira.basic_qos(prefetch_count=1)
    mira.basic_consume("packing", pack)
    print(f"Mira packed {len(packed)} orders, Tomas holds {', '.join(in_hand)}.")

    tomas.close()
    print(f"Tomas went home; Mira packed {', '.join(again)} too, each marked as redelivered.")


if __name__ == "__main__":
    main()
