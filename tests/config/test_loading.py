"""A topology file of every form, and what it declares."""

from __future__ import annotations

import pytest

from leveret.config import (
    BindingDeclaration,
    ExchangeDeclaration,
    QueueDeclaration,
    loads,
)
from leveret.errors import TopologyError


def test_exchanges_queues_and_bindings_are_declared() -> None:
    topology = loads(
        """
exchanges: {orders: topic}
queues: [billing]
bindings: ["orders[order.#, order.*.paid] -> billing"]
"""
    )
    host = topology.virtual_hosts["/"]
    assert host.exchanges == {"orders": ExchangeDeclaration("orders", "topic")}
    assert host.queues == {"billing": QueueDeclaration("billing")}
    assert host.bindings == [
        BindingDeclaration("orders", "billing", "queue", "order.#"),
        BindingDeclaration("orders", "billing", "queue", "order.*.paid"),
    ]


def test_a_fault_is_shown_with_place_line_caret_and_remedy() -> None:
    with pytest.raises(TopologyError) as caught:
        loads(
            "exchanges: {orders: topic}\nqueues: [billing]\nbindings: [orders -> billng]\n",
            "t.yaml",
        )
    assert str(caught.value) == (
        "t.yaml:3:22: error: queue 'billng' does not exist\n"
        "  bindings: [orders -> billng]\n"
        "                       ^\n"
        "  Did you mean 'billing'? Otherwise declare it under 'queues'."
    )
