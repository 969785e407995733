"""The two exchange types that send each message to one destination only."""

from __future__ import annotations

from collections import Counter

import pytest
from attrs import define

from leveret.errors import PreconditionFailed
from leveret.exchanges import (
    BindingLimits,
    ConsistentHashExchange,
    Envelope,
    Exchange,
    ExchangeTypes,
    RandomExchange,
)
from leveret.properties import FieldValue, Properties
from leveret.routing import Binding


@define
class Scripted:
    """Chance that draws the numbers it was given, and remembers what it was asked."""

    numbers: list[int]
    asked: list[int]

    def randrange(self, stop: int, /) -> int:
        self.asked.append(stop)
        return self.numbers.pop(0)


def envelope(
    *keys: str, random: Scripted | None = None, properties: Properties | None = None
) -> Envelope:
    return Envelope(keys, properties, random or Scripted([], []))


def hashing(arguments: dict[str, FieldValue] | None = None, **weights: str) -> Exchange:
    exchange = ExchangeTypes().create("x-consistent-hash", "x", arguments=arguments)
    for queue, weight in weights.items():
        exchange.bind(Binding("x", queue, weight))
    return exchange


def chosen(exchange: Exchange, message: Envelope) -> str:
    (binding,) = exchange.route(message)
    return binding.destination


def test_each_message_goes_to_exactly_one_queue_and_always_to_the_same() -> None:
    exchange = hashing(q="1", r="1", s="1")
    for number in range(100):
        message = envelope(f"key {number}")
        assert chosen(exchange, message) == chosen(exchange, message)


def test_weights_decide_the_shares() -> None:
    exchange = hashing(q="10", r="30")
    shares = Counter(chosen(exchange, envelope(f"key {n}")) for n in range(4000))
    assert 0.65 < shares["r"] / 4000 < 0.85


def test_a_new_queue_takes_its_share_and_moves_nothing_else() -> None:
    exchange = hashing(q="5", r="5")
    messages = [envelope(f"key {n}") for n in range(500)]
    before = [chosen(exchange, message) for message in messages]
    exchange.bind(Binding("x", "s", "5"))
    after = [chosen(exchange, message) for message in messages]
    assert {new for old, new in zip(before, after, strict=True) if old != new} == {"s"}
    exchange.unbind(Binding("x", "s", "5"))
    assert [chosen(exchange, message) for message in messages] == before


def test_keys_of_cc_are_not_hashed() -> None:
    exchange = hashing(q="1", r="1", s="1")
    for number in range(30):
        alone = chosen(exchange, envelope(f"key {number}"))
        assert chosen(exchange, envelope(f"key {number}", "another", "third")) == alone


@pytest.mark.parametrize(
    ("argument", "name", "messages"),
    [
        ("hash-header", "user", [Properties(headers={"user": n}) for n in range(40)]),
        ("hash-property", "message_id", [Properties(message_id=f"id {n}") for n in range(40)]),
        ("hash-property", "correlation_id", [Properties(correlation_id=f"{n}") for n in range(40)]),
        ("hash-property", "timestamp", [Properties(timestamp=n) for n in range(40)]),
    ],
)
def test_a_header_or_property_is_hashed_in_place_of_the_key(
    argument: str, name: str, messages: list[Properties]
) -> None:
    exchange = hashing({argument: name}, q="1", r="1")
    seen = set()
    for properties in messages:
        queue = chosen(exchange, envelope("one key", properties=properties))
        assert queue == chosen(exchange, envelope("another key", properties=properties))
        seen.add(queue)
    assert seen == {"q", "r"}


def test_messages_without_the_header_all_go_to_one_queue() -> None:
    exchange = hashing({"hash-header": "user"}, q="1", r="1", s="1")
    others = [Properties(headers={"other": n}) for n in range(20)]
    messages = [envelope(f"key {n}", properties=other) for n, other in enumerate(others)]
    assert len({chosen(exchange, message) for message in [envelope("k"), *messages]}) == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"hash-property": "app_id"}, "Unsupported property: app_id"),
        (
            {"hash-header": "h", "hash-property": "message_id"},
            "hash-header and hash-property are mutually exclusive",
        ),
        (
            {"hash-header": 5},
            "invalid type 'signedint' for arg 'hash-header' in exchange 'x' in vhost '/'",
        ),
    ],
)
def test_what_to_hash_is_checked_at_declaration(
    arguments: dict[str, FieldValue], text: str
) -> None:
    with pytest.raises(PreconditionFailed) as caught:
        hashing(arguments)
    assert caught.value.text == text


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("", "The binding key must be an integer: <<>>"),
        ("abc", 'The binding key must be an integer: <<"abc">>'),
        ("1.5", 'The binding key must be an integer: <<"1.5">>'),
        (" 1", 'The binding key must be an integer: <<" 1">>'),
        ("1_0", 'The binding key must be an integer: <<"1_0">>'),
        ("0", "The binding key must be greater than 0"),
        ("-3", "The binding key must be greater than 0"),
        ("10001", "The binding key must not be greater than 10000"),
    ],
)
def test_a_weight_is_a_whole_number_above_0(key: str, text: str) -> None:
    with pytest.raises(PreconditionFailed) as caught:
        hashing().validate_binding(Binding("x", "q", key), BindingLimits())
    assert caught.value.text == text


def test_a_sign_before_a_weight_is_read_as_erlang_reads_it() -> None:
    hashing().validate_binding(Binding("x", "q", "+1"), BindingLimits())


def test_of_several_bindings_of_one_queue_the_oldest_gives_the_weight() -> None:
    exchange = ConsistentHashExchange("x")
    bindings = [Binding("x", "q", "1"), Binding("x", "q", "2"), Binding("x", "q", "3")]
    for binding in bindings:
        exchange.bind(binding)
        exchange.check()
    for binding in (bindings[1], bindings[0], bindings[2]):
        assert list(exchange.route(envelope("k"))) == [next(iter(exchange.bindings))]
        exchange.unbind(binding)
        exchange.check()
    assert list(exchange.route(envelope("k"))) == []


def test_a_queue_and_an_exchange_of_one_name_are_two_destinations() -> None:
    exchange = ConsistentHashExchange("x")
    exchange.bind(Binding("x", "a", "1"))
    exchange.bind(Binding("x", "a", "1", "exchange"))
    routes = [list(exchange.route(envelope(f"key {n}"))) for n in range(50)]
    assert {route[0].destination_type for route in routes} == {"queue", "exchange"}


def test_the_random_exchange_draws_with_the_randomness_handed_in() -> None:
    exchange = RandomExchange("x")
    for queue in ("q", "r", "s"):
        exchange.bind(Binding("x", queue))
    random = Scripted([2, 0, 1], [])
    drawn = [chosen(exchange, envelope("k", random=random)) for _ in range(3)]
    assert drawn == ["s", "q", "r"]
    assert random.asked == [3, 3, 3]


def test_the_random_exchange_draws_among_bindings_not_queues() -> None:
    exchange = RandomExchange("x")
    for key in ("a", "b"):
        exchange.bind(Binding("x", "q", key))
    exchange.bind(Binding("x", "r"))
    random = Scripted([0, 1, 2], [])
    drawn = [chosen(exchange, envelope("k", random=random)) for _ in range(3)]
    assert drawn == ["q", "q", "r"]


def test_the_random_exchange_does_not_draw_from_one() -> None:
    exchange = RandomExchange("x")
    assert list(exchange.route(envelope("k"))) == []
    exchange.bind(Binding("x", "q"))
    assert chosen(exchange, envelope("k")) == "q"
