"""The exchange type `x-delayed-message`: what it takes, what it delays, how it explains itself."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest

from leveret.errors import PreconditionFailed
from leveret.exchanges import (
    BindingLimits,
    DefaultExchange,
    Exchange,
    ExchangeTypes,
    Router,
    requested_delay_ms,
)
from leveret.properties import FieldValue, Properties, UnsignedInt
from leveret.routing import Binding

NONE_EXISTS = "Invalid argument, 'x-delayed-type' must be an existing exchange type"


class First:
    """Chance that always draws the first."""

    def randrange(self, stop: int, /) -> int:
        return 0


def delayed(delayed_type: str, *keys: str, **arguments: FieldValue) -> Exchange:
    """Make exchange `x` with a binding from each key to the queue named like it."""
    exchange = ExchangeTypes().create(
        "x-delayed-message", "x", arguments={"x-delayed-type": delayed_type, **arguments}
    )
    for key in keys:
        exchange.bind(Binding("x", key, key))
    return exchange


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, NONE_EXISTS),
        ({"x-delayed-type": 5}, NONE_EXISTS),
        ({"x-delayed-type": None}, NONE_EXISTS),
        ({"x-delayed-type": "foo"}, "unknown exchange type 'foo'"),
        (
            {"x-delayed-type": "x-delayed-message"},
            "Invalid argument, 'x-delayed-message' can't be used for 'x-delayed-type'",
        ),
        (
            {"x-delayed-type": "x-consistent-hash", "hash-property": "app_id"},
            "Unsupported property: app_id",
        ),
    ],
)
def test_what_the_plugin_refuses_is_refused_in_its_words(
    arguments: dict[str, FieldValue], text: str
) -> None:
    with pytest.raises(PreconditionFailed) as caught:
        ExchangeTypes().create("x-delayed-message", "x", arguments=arguments)
    assert caught.value.text == text


def test_a_binding_is_refused_as_the_type_behind_refuses_it() -> None:
    with pytest.raises(PreconditionFailed, match="must be an integer"):
        delayed("x-consistent-hash").validate_binding(Binding("x", "q", "a"), BindingLimits())


@pytest.mark.parametrize(
    ("value", "delay_ms"),
    [
        (5000, 5000),
        (UnsignedInt(7), 7),
        (-5000, -5000),
        ("250", 250),
        ("-1", -1),
        ("soon", None),
        ("", None),
        ("1.5", None),
        ("9" * 5000, None),
        (1.9, 1),
        (Decimal("2.5"), 2),
        (math.inf, None),
        (math.nan, None),
        (Decimal("NaN"), None),
        (True, None),
        (None, None),
        ([1], None),
        ({"a": 1}, None),
        (b"5", None),
    ],
)
def test_the_header_is_read_as_a_number_of_milliseconds(
    value: FieldValue, delay_ms: int | None
) -> None:
    assert requested_delay_ms({"x-delay": value}) == delay_ms
    assert requested_delay_ms({}) is None


@pytest.mark.parametrize(
    ("value", "goes_to"),
    [
        (None, ["a"]),
        (0, ["a"]),
        (-10, ["a"]),
        (1, ["held by x"]),
        (4_294_967_295, ["held by x"]),
        (4_294_967_296, ["a"]),
    ],
)
def test_only_a_delay_that_a_timer_can_have_is_a_delay(
    value: FieldValue, goes_to: list[str]
) -> None:
    exchange = delayed("topic", "a", "b")
    exchanges = {"": DefaultExchange(), "x": exchange}
    router = Router(
        exchanges, {"a": "a", "b": "b"}, First(), held_by=lambda name: f"held by {name}"
    )
    assert list(router.route("x", "a", Properties(headers={"x-delay": value}))) == goes_to
    router.check()


def test_beyond_another_exchange_it_delays_its_own_part_of_the_message() -> None:
    first = ExchangeTypes().create("fanout", "first")
    first.bind(Binding("first", "x", destination_type="exchange"))
    first.bind(Binding("first", "now"))
    exchanges = {"": DefaultExchange(), "first": first, "x": delayed("fanout", "later")}
    queues = {"now": "now", "later": "later"}
    router = Router(exchanges, queues, First(), held_by=lambda name: f"held by {name}")
    properties = Properties(headers={"x-delay": 10})
    assert list(router.route("first", "k", properties)) == ["now", "held by x"]
    assert list(router.route("first", "k")) == ["now", "later"]
    router.check()


def test_while_it_delays_it_asks_no_alternate() -> None:
    exchange = delayed("direct", **{"alternate-exchange": "other"})
    other = ExchangeTypes().create("fanout", "other")
    other.bind(Binding("other", "q"))
    exchanges = {"": DefaultExchange(), "x": exchange, "other": other}
    router = Router(exchanges, {"q": "q"}, First(), held_by=lambda name: f"held by {name}")
    assert list(router.route("x", "k", Properties(headers={"x-delay": 10}))) == ["held by x"]
    assert list(router.route("x", "k", Properties(headers={"x-delay": -10}))) == ["q"]


def test_an_explanation_shows_the_route_of_the_type_behind_and_the_delay() -> None:
    exchange = delayed("topic", "order.*", "#.eu")
    router = Router({"": DefaultExchange(), "x": exchange}, {"order.*": 1, "#.eu": 2}, First())
    later = router.explain("x", "order.new", Properties(headers={"x-delay": 5000}))
    assert later.queues == ("order.*",)
    assert later.visits[0].note == "held back for 5,000 ms, then routed as topic"
    assert [one.label for one in later.visits[0].considered] == ["'order.*'", "'#.eu'"]
    assert "'order' is not 'eu'" in str(later) or later.visits[0].nearest
    assert router.explain("x", "order.new").visits[0].note == "routed as topic"


def test_chance_behind_it_is_shown_as_chance() -> None:
    exchange = delayed("x-random", "a", "b")
    router = Router({"": DefaultExchange(), "x": exchange}, {"a": 1, "b": 2}, First())
    trace = router.explain("x", "k", Properties(headers={"x-delay": 1}))
    assert (trace.queues, trace.possible) == ((), ("a", "b"))
    assert router.route("x", "k") == (1,)
