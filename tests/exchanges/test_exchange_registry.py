"""Exchange types are found by name, and packages elsewhere can add their own."""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING

import pytest
from attrs import define

from leveret.errors import PreconditionFailed
from leveret.exchanges import Envelope, Exchange, ExchangeTypes, Router, Verdict, registry
from leveret.routing import Binding

if TYPE_CHECKING:
    from collections.abc import Collection


@define(eq=False)
class LastExchange(Exchange):
    """A plug-in type: the binding made last takes every message."""

    type = "x-last"

    def route(self, envelope: Envelope) -> Collection[Binding]:
        return list(self.bindings)[-1:]

    def explain(self, binding: Binding, envelope: Envelope) -> Verdict:
        if binding in self.route(envelope):
            return Verdict(True)
        return Verdict(False, "a younger binding takes everything")


class EntryPoint:
    """Stands for what a package's metadata names."""

    def __init__(self, target: object) -> None:
        self.target = target

    def load(self) -> object:
        return self.target


def install(monkeypatch: pytest.MonkeyPatch, *targets: object) -> None:
    def entry_points(*, group: str) -> list[EntryPoint]:
        assert group == "leveret.exchanges"
        return [EntryPoint(target) for target in targets]

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)


def test_the_built_in_types_have_rabbitmqs_names() -> None:
    assert ExchangeTypes().names == (
        "direct",
        "fanout",
        "topic",
        "headers",
        "x-consistent-hash",
        "x-random",
        "x-delayed-message",
        "x-message-deduplication",
    )


def test_s14_an_unknown_type_is_refused() -> None:
    """S14."""
    assert "foo" not in ExchangeTypes()
    with pytest.raises(PreconditionFailed) as caught:
        ExchangeTypes().create("foo", "x")
    assert caught.value.text == "unknown exchange type 'foo'"


def test_an_exchange_is_made_with_the_properties_asked_for() -> None:
    exchange = ExchangeTypes().create(
        "topic",
        "x",
        durable=False,
        auto_delete=True,
        internal=True,
        arguments={"alternate-exchange": "ae", "n": 1},
    )
    assert (exchange.type, exchange.name) == ("topic", "x")
    assert (exchange.durable, exchange.auto_delete, exchange.internal) == (False, True, True)
    assert exchange.alternate == "ae"
    assert exchange.arguments == {"alternate-exchange": "ae", "n": 1}


def test_a_plug_in_type_from_an_entry_point_routes_and_explains(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(monkeypatch, LastExchange)
    types = ExchangeTypes().load_entry_points()
    exchange = types.create("x-last", "x")
    for queue in ("q", "r"):
        exchange.bind(Binding("x", queue, "k"))
    router = Router({"x": exchange}, {"q": 1, "r": 2}, NoChance())
    assert router.route("x", "any") == (2,)
    assert str(router.explain("x", "any")).splitlines() == [
        "exchange 'x' (x-last) ◀─ routing key 'any'",
        "├─ ✘ 'k' ─▶ queue 'q': a younger binding takes everything",
        "└─ ✔ 'k' ─▶ queue 'r'",
        "✔ reaches 'r'",
    ]


class NoChance:
    """Fails whoever asks for chance."""

    def randrange(self, stop: int, /) -> int:
        raise AssertionError("nothing here is random")


@pytest.mark.parametrize("target", [object(), int, Exchange], ids=repr)
def test_what_is_no_exchange_type_is_not_registered(
    target: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, target)
    with pytest.raises(TypeError, match="is not a subclass"):
        ExchangeTypes().load_entry_points()


def test_packages_are_looked_through_for_a_type_that_is_not_built_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class OtherTopic(LastExchange):
        type = "topic"

    install(monkeypatch, LastExchange, OtherTopic)
    registry._installed.cache_clear()
    try:
        types = ExchangeTypes.installed()
        assert types.create("x-last", "x").type == "x-last"
        assert "x-other" not in types
        assert types.names[-1] == "x-last"
        assert not isinstance(types.create("topic", "x"), LastExchange)
    finally:
        registry._installed.cache_clear()


def test_one_registry_does_not_change_another() -> None:
    ExchangeTypes().register(LastExchange)
    assert "x-last" not in ExchangeTypes()
