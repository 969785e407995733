"""The pictures that the pages show are those that `leveret draw` makes today."""

from __future__ import annotations

from pathlib import Path

from leveret.config import load

ROOT = Path(__file__).parents[2]


def test_the_picture_of_the_order_system_is_current() -> None:
    made = load(ROOT / "examples" / "orders" / "topology.yaml").draw("svg")
    shown = (ROOT / "docs" / "orders.svg").read_text(encoding="utf-8")
    assert shown == made, "leveret draw examples/orders/topology.yaml -o docs/orders.svg"
