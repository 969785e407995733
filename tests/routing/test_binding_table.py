"""Bindings, what makes two of them one (S32), and the table against a naive model."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from leveret.routing import Binding, BindingTable, DestinationType

if TYPE_CHECKING:
    from leveret.properties import FieldValue

BASE: dict[str, Any] = {
    "source": "x",
    "destination": "q",
    "routing_key": "k",
    "destination_type": "queue",
    "arguments": {"a": 1},
}


@pytest.mark.parametrize(
    "change",
    [
        {"source": "y"},
        {"destination": "r"},
        {"routing_key": "l"},
        {"destination_type": "exchange"},
        {"arguments": None},
        {"arguments": {"a": 2}},
        {"arguments": {"b": 1}},
        {"arguments": {"a": 1, "b": 1}},
    ],
)
def test_s32_a_binding_is_another_when_any_of_five_parts_differs(change: dict[str, Any]) -> None:
    assert Binding(**BASE) != Binding(**BASE | change)
    table = BindingTable()
    assert table.add(Binding(**BASE))
    assert table.add(Binding(**BASE | change))
    assert not table.remove(Binding(**BASE | change | {"routing_key": "never"}))
    assert len(table) == 2


def test_s32_binding_twice_is_binding_once() -> None:
    table = BindingTable()
    assert table.add(Binding("x", "q", "k"))
    assert not table.add(Binding("x", "q", "k", arguments={}))
    assert len(table) == 1
    assert table.remove(Binding("x", "q", "k"))
    assert not table.remove(Binding("x", "q", "k"))
    table.check()


def test_s32_the_order_of_arguments_does_not_count() -> None:
    one = Binding("x", "q", arguments={"a": 1, "b": "c", "d": None})
    other = Binding("x", "q", arguments={"d": None, "b": "c", "a": 1})
    assert one == other
    assert hash(one) == hash(other)
    assert list(one.arguments) == ["a", "b", "d"]
    assert list(other.arguments) == ["d", "b", "a"]


def test_s32_arguments_of_different_kinds_differ() -> None:
    values: list[FieldValue] = [1, True, 1.0, "1", [1], {"a": 1}, None]
    bindings = [Binding("x", "q", arguments={"n": value}) for value in values]
    for one, other in itertools.combinations(bindings, 2):
        assert one != other
    assert len(set(bindings)) == len(values)


def test_a_binding_keeps_its_arguments_when_the_callers_table_changes() -> None:
    arguments: dict[str, FieldValue] = {"a": 1}
    binding = Binding("x", "q", arguments=arguments)
    arguments["a"] = 2
    assert binding.arguments == {"a": 1}
    assert binding == Binding("x", "q", arguments={"a": 1})
    assert binding != "x"


def test_an_argument_that_amqp_cannot_carry_is_refused() -> None:
    with pytest.raises(TypeError, match="a field table cannot hold a set"):
        Binding("x", "q", arguments={"a": {1}})  # type: ignore[dict-item]


def test_s55_several_bindings_of_one_queue_are_kept_apart() -> None:
    """S55 gives one copy to such a queue; that is the exchange's part, on top of this."""
    table = BindingTable()
    for key in ("a", "b", "c"):
        table.add(Binding("x", "q", key))
    assert [binding.routing_key for binding in table.to_destination("queue", "q")] == list("abc")
    assert table.to_destination("exchange", "q") == ()
    assert table.has_source("x")


def test_dropping_one_queue_costs_by_its_own_bindings() -> None:
    class Counted(Binding):
        """A binding that counts how often any of its kind is hashed."""

        hashed = 0

        def __hash__(self) -> int:
            Counted.hashed += 1
            return super().__hash__()

    costs = []
    for others in (10, 5_000):
        table = BindingTable()
        for number in range(others):
            table.add(Counted("x", f"other {number}", "k"))
        for key in ("a", "b", "c"):
            table.add(Counted("x", "q", key))
        Counted.hashed = 0
        assert len(table.drop_destination("queue", "q")) == 3
        costs.append(Counted.hashed)
        table.check()
    assert costs[0] == costs[1]


BINDINGS = st.builds(
    Binding,
    source=st.sampled_from("xy"),
    destination=st.sampled_from("xyq"),
    routing_key=st.sampled_from(["", "k"]),
    destination_type=st.sampled_from(["queue", "exchange"]),
    arguments=st.sampled_from([None, {"n": 1}, {"n": True}]),
)


class TableAgainstAList(RuleBasedStateMachine):
    """The same steps on a table and on a plain list."""

    def __init__(self) -> None:
        super().__init__()
        self.table = BindingTable()
        self.model: list[Binding] = []

    @rule(binding=BINDINGS)
    def add(self, binding: Binding) -> None:
        assert self.table.add(binding) == (binding not in self.model)
        if binding not in self.model:
            self.model.append(binding)

    @rule(binding=BINDINGS)
    def remove(self, binding: Binding) -> None:
        assert self.table.remove(binding) == (binding in self.model)
        if binding in self.model:
            self.model.remove(binding)

    @rule(name=st.sampled_from("xyq"))
    def drop_source(self, name: str) -> None:
        gone = [binding for binding in self.model if binding.source == name]
        assert list(self.table.drop_source(name)) == gone
        self.model = [binding for binding in self.model if binding not in gone]

    @rule(kind=st.sampled_from(["queue", "exchange"]), name=st.sampled_from("xyq"))
    def drop_destination(self, kind: DestinationType, name: str) -> None:
        gone = [b for b in self.model if (b.destination_type, b.destination) == (kind, name)]
        assert list(self.table.drop_destination(kind, name)) == gone
        self.model = [binding for binding in self.model if binding not in gone]

    @invariant()
    def is_the_list(self) -> None:
        self.table.check()
        assert list(self.table) == self.model
        assert len(self.table) == len(self.model)
        assert all(binding in self.table for binding in self.model)
        for name in "xyq":
            leaving = [binding for binding in self.model if binding.source == name]
            assert list(self.table.from_source(name)) == leaving
            assert self.table.has_source(name) == bool(leaving)
            arriving = [
                b for b in self.model if (b.destination_type, b.destination) == ("queue", name)
            ]
            assert list(self.table.to_destination("queue", name)) == arriving


TestTableAgainstAList = TableAgainstAList.TestCase
TestTableAgainstAList.settings = settings(max_examples=40, deadline=None)
