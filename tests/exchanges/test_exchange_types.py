"""Each exchange type routes as RabbitMQ's does, with the route cache and without it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from leveret.errors import AccessRefused, PreconditionFailed
from leveret.exchanges import (
    BindingLimits,
    DefaultExchange,
    Envelope,
    Exchange,
    ExchangeTypes,
    Router,
)
from leveret.properties import FieldValue, Properties
from leveret.routing import Binding

Arguments = dict[str, FieldValue]
NO_LIMITS = BindingLimits()


class First:
    """Chance that always draws the first."""

    def randrange(self, stop: int, /) -> int:
        return 0


def bound(type_name: str, *bindings: tuple[str, str, Arguments], **arguments: str) -> Exchange:
    """Make exchange `x` with bindings (queue, key, arguments)."""
    needed: dict[str, Arguments] = {
        "x-message-deduplication": {"x-cache-size": 1},
        "x-delayed-message": {"x-delayed-type": "direct"},
    }
    exchange = ExchangeTypes().create(
        type_name, "x", arguments={**needed.get(type_name, {}), **arguments}
    )
    for queue, key, binding_arguments in bindings:
        binding = Binding("x", queue, key, arguments=binding_arguments)
        exchange.validate_binding(binding, NO_LIMITS)
        exchange.bind(binding)
    exchange.check()
    return exchange


def routed(
    exchange: Exchange, key: str = "", headers: Arguments | None = None, cache_size: int = 10
) -> list[str]:
    """Route twice, so that the second time may come from the cache; both must agree."""
    exchanges: dict[str, Exchange] = {"": DefaultExchange(), exchange.name: exchange}
    queues = {b.destination: b.destination for b in exchange.bindings} | {"q": "q", "r": "r"}
    router = Router(exchanges, queues, First(), cache_size)
    properties = None if headers is None else Properties(headers=headers)
    found = router.route(exchange.name, key, properties)
    assert router.route(exchange.name, key, properties) == found
    router.check()
    return sorted(found)


# (rule, exchange type, bindings as (queue, key, arguments), key, headers, queues reached)
CASES: list[tuple[str, str, list[tuple[str, str, Arguments]], str, Arguments | None, str]] = [
    ("S55 direct compares keys exactly", "direct", [("q", "a", {})], "a", None, "q"),
    ("S55 direct: another key", "direct", [("q", "a", {})], "a.b", None, ""),
    ("S55 direct: case counts", "direct", [("q", "a", {})], "A", None, ""),
    ("S55 direct: the empty key", "direct", [("q", "", {})], "", None, "q"),
    ("S55 direct: wildcards are text", "direct", [("q", "#", {})], "a", None, ""),
    (
        "S55 direct: two queues, one key",
        "direct",
        [("q", "a", {}), ("r", "a", {})],
        "a",
        None,
        "qr",
    ),
    ("S33 direct: two keys, one copy", "direct", [("q", "a", {}), ("q", "b", {})], "a", None, "q"),
    (
        "S33 direct: two bindings with one key, one copy",
        "direct",
        [("q", "a", {}), ("q", "a", {"n": 1})],
        "a",
        None,
        "q",
    ),
    ("S55 fanout ignores the key", "fanout", [("q", "a", {}), ("r", "b", {})], "c", None, "qr"),
    ("S55 fanout: two keys, one copy", "fanout", [("q", "a", {}), ("q", "b", {})], "", None, "q"),
    ("S55 headers ignore the key", "headers", [("q", "a", {})], "b", None, "q"),
    ("S50 no x-match means all", "headers", [("q", "", {"a": 1, "b": 2})], "", {"a": 1}, ""),
    ("S50 all of nothing matches", "headers", [("q", "", {"x-match": "all"})], "", {"a": 1}, "q"),
    ("S50 any of nothing does not", "headers", [("q", "", {"x-match": "any"})], "", {"a": 1}, ""),
    (
        "S50 any of two",
        "headers",
        [("q", "", {"x-match": "any", "a": 1, "b": 2})],
        "",
        {"b": 2},
        "q",
    ),
    (
        "S51 all passes over x- arguments",
        "headers",
        [("q", "", {"x-match": "all", "x-a": 1, "b": 2})],
        "",
        {"b": 2},
        "q",
    ),
    (
        "S51 any passes over x- arguments",
        "headers",
        [("q", "", {"x-match": "any", "x-a": 1})],
        "",
        {"x-a": 1},
        "",
    ),
    (
        "S51 all-with-x wants them",
        "headers",
        [("q", "", {"x-match": "all-with-x", "x-a": 1, "b": 2})],
        "",
        {"b": 2},
        "",
    ),
    (
        "S51 any-with-x takes one",
        "headers",
        [("q", "", {"x-match": "any-with-x", "x-a": 1, "b": 2})],
        "",
        {"x-a": 1},
        "q",
    ),
    ("S52 void asks for presence", "headers", [("q", "", {"a": None})], "", {"a": "any"}, "q"),
    ("S52 void asks for no less", "headers", [("q", "", {"a": None})], "", {"b": 1}, ""),
    ("S52 a void header is present", "headers", [("q", "", {"a": None})], "", {"a": None}, "q"),
    ("S52 a void header is no value", "headers", [("q", "", {"a": 0})], "", {"a": None}, ""),
    ("S53 1 is not '1'", "headers", [("q", "", {"a": 1})], "", {"a": "1"}, ""),
    ("S53 1 is not true", "headers", [("q", "", {"a": 1})], "", {"a": True}, ""),
    ("S53 1 is not 1.0", "headers", [("q", "", {"a": 1})], "", {"a": 1.0}, ""),
    ("S53 arrays compare", "headers", [("q", "", {"a": [1, "b"]})], "", {"a": [1, "b"]}, "q"),
    (
        "S53 decimals compare",
        "headers",
        [("q", "", {"a": Decimal("1.5")})],
        "",
        {"a": Decimal("1.5")},
        "q",
    ),
    ("S53 no headers equal empty ones", "headers", [("q", "", {"a": 1})], "", None, ""),
    (
        "S33 headers: two bindings, one copy",
        "headers",
        [("q", "", {"a": 1}), ("q", "", {"b": 2})],
        "",
        {"a": 1, "b": 2},
        "q",
    ),
    (
        "S33 topic: two patterns, one copy",
        "topic",
        [("q", "a.#", {}), ("q", "#", {})],
        "a",
        None,
        "q",
    ),
    ("topic: queues by pattern", "topic", [("q", "a.*", {}), ("r", "b.*", {})], "b.c", None, "r"),
    ("consistent hash: one queue", "x-consistent-hash", [("q", "1", {})], "any", None, "q"),
    ("random: one queue", "x-random", [("q", "", {})], "any", None, "q"),
    *((f"{t}: nothing bound", t, [], "a", None, "") for t in ExchangeTypes().names),
]


@pytest.mark.parametrize("cache_size", [0, 1, 100])
@pytest.mark.parametrize(
    ("type_name", "bindings", "key", "headers", "queues"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_a_message_reaches_the_queues_that_its_exchange_type_says(
    type_name: str,
    bindings: list[tuple[str, str, Arguments]],
    key: str,
    headers: Arguments | None,
    queues: str,
    cache_size: int,
) -> None:
    assert routed(bound(type_name, *bindings), key, headers, cache_size) == list(queues)


# (rule, binding key, published key, whether it is routed)
TOPIC_CASES = [
    ("S40 the empty key has no words", "", "", True),
    ("S40 a dot has two empty words", "*.*", ".", True),
    ("S40 a dot is not one word", "*", ".", False),
    ("S41 # takes the empty key", "#", "", True),
    ("S41 #.# takes the empty key", "#.#", "", True),
    ("S41 * does not take the empty key", "*", "", False),
    ("S42 a.# takes a", "a.#", "a", True),
    ("S42 a.# takes a.b", "a.#", "a.b", True),
    ("S42 a.# takes a.b.c", "a.#", "a.b.c", True),
    ("S42 #.a takes a", "#.a", "a", True),
    ("S43 * takes an empty first word", "*.b", ".b", True),
    ("S43 * takes an empty last word", "a.*", "a.", True),
    ("S43 a.* does not take a", "a.*", "a", False),
    ("S44 * takes one word", "*", "a.b", False),
    ("S45 # takes no word in the middle", "a.#.z", "a.z", True),
    ("S45 # takes words in the middle", "a.#.z", "a.b.c.z", True),
    ("S45 # on both sides", "#.b.#", "a.b.c", True),
    ("S46 a* is a literal", "a*", "ab", False),
    ("S46 a* matches itself", "a*", "a*", True),
    ("S46 simply#carrots is a literal", "simply#carrots", "simply.carrots", False),
    ("S47 a published # is a word", "*", "#", True),
    ("S47 a published * is a word", "a", "*", False),
    ("S47 a published #.a is two words", "#", "#.a", True),
    ("S48 case counts", "a.B", "a.b", False),
    ("S48 UTF-8", "straße.*", "straße.☃", True),
    ("S48 255 bytes", "a" * 255, "a" * 255, True),
]


@pytest.mark.parametrize("cache_size", [0, 100])
@pytest.mark.parametrize(
    ("pattern", "key", "matches"),
    [case[1:] for case in TOPIC_CASES],
    ids=[case[0] for case in TOPIC_CASES],
)
def test_a_topic_exchange_matches_words(
    pattern: str, key: str, matches: bool, cache_size: int
) -> None:
    topic = bound("topic", ("q", pattern, {}), ("r", "no.such.key", {}))
    assert routed(topic, key, cache_size=cache_size) == (["q"] if matches else [])


def test_s49_a_profile_may_refuse_more_than_two_hash_words() -> None:
    """S49: RabbitMQ 4.3.5 refuses the binding; unbinding one made before is still allowed."""
    topic = bound("topic", ("q", "#.a.#.b.#", {}))
    limits = BindingLimits(topic_hash_words=2)
    topic.validate_binding(Binding("x", "q", "#.a.#"), limits)
    with pytest.raises(PreconditionFailed) as caught:
        topic.validate_binding(Binding("x", "q", "#.a.#.b.#"), limits)
    assert caught.value.text == (
        "Topic binding key '#.a.#.b.#' uses 3 '#' wildcards, at most 2 are allowed"
    )
    assert topic.unbind(Binding("x", "q", "#.a.#.b.#"))


@pytest.mark.parametrize(
    ("x_match", "text"),
    [
        (
            "bad",
            'Invalid x-match field value <<"bad">>; expected all, any, all-with-x, or any-with-x',
        ),
        (5, "Invalid x-match field type signedint (value 5); expected longstr"),
    ],
)
def test_s54_an_unknown_x_match_is_refused(x_match: FieldValue, text: str) -> None:
    """S54."""
    binding = Binding("x", "q", arguments={"x-match": x_match})
    with pytest.raises(PreconditionFailed) as caught:
        bound("headers").validate_binding(binding, NO_LIMITS)
    assert caught.value.text == text


def test_s23_nothing_is_bound_to_the_default_exchange() -> None:
    """S23."""
    with pytest.raises(AccessRefused, match="operation not permitted on the default exchange"):
        DefaultExchange().validate_binding(Binding("", "q", "q"), NO_LIMITS)


@pytest.mark.parametrize("type_name", ExchangeTypes().names)
def test_s32_binding_twice_is_binding_once(type_name: str) -> None:
    """S32: the arguments belong to a binding's identity, their order does not."""
    exchange = bound(type_name)
    one = Binding("x", "q", "1", arguments={"a": 1, "b": 2})
    assert exchange.bind(one)
    assert not exchange.bind(Binding("x", "q", "1", arguments={"b": 2, "a": 1}))
    assert exchange.bind(Binding("x", "q", "1"))
    assert len(exchange.bindings) == 2
    exchange.check()
    assert exchange.unbind(one)
    assert not exchange.unbind(one)
    exchange.check()
    assert list(exchange.bindings) == [Binding("x", "q", "1")]


@pytest.mark.parametrize("type_name", ExchangeTypes().names)
def test_what_was_unbound_is_not_routed_to(type_name: str) -> None:
    exchange = bound(type_name, ("q", "1", {}))
    assert routed(exchange, "1") == ["q"]
    exchange.unbind(Binding("x", "q", "1"))
    assert routed(exchange, "1") == []
    exchange.check()


@pytest.mark.parametrize("type_name", ExchangeTypes().names)
def test_an_alternate_exchange_must_be_named_by_a_string(type_name: str) -> None:
    with pytest.raises(PreconditionFailed) as caught:
        ExchangeTypes().create(
            type_name, "x", arguments={"alternate-exchange": 5}, virtual_host="v"
        )
    assert caught.value.text == (
        "invalid type 'signedint' for arg 'alternate-exchange' in exchange 'x' in vhost 'v'"
    )


def test_values_that_amqp_does_not_know_match_presence_and_nothing_else() -> None:
    exchange = bound("headers", ("q", "", {"a": 1}), ("r", "", {"a": None}))
    strange: Arguments = {"a": object()}  # type: ignore[dict-item]
    envelope = Envelope(("",), Properties(headers=strange), First())
    assert [binding.destination for binding in exchange.route(envelope)] == ["r"]
