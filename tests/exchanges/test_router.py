"""The walk from an exchange to queues: copies, cycles, alternates, CC and BCC, the cache."""

from __future__ import annotations

import pytest

from leveret.errors import PreconditionFailed
from leveret.exchanges import (
    DefaultExchange,
    Exchange,
    ExchangeTypes,
    Router,
    routing_keys,
)
from leveret.properties import FieldValue, Properties
from leveret.routing import Binding

TYPES = ExchangeTypes()


class First:
    """Chance that always draws the first."""

    def randrange(self, stop: int, /) -> int:
        return 0


def topology(
    exchanges: dict[str, str], bindings: str, queues: str = "q r s", cache_size: int = 10
) -> Router[str]:
    """Make a router from `{name: type}` and bindings written `source[key] -> destination`.

    Names of exchanges are upper case, names of queues lower case. `X: "fanout ~ Y"` gives X the
    alternate exchange Y.
    """
    made: dict[str, Exchange] = {"": DefaultExchange()}
    for name, text in exchanges.items():
        type_name, _, alternate = text.partition(" ~ ")
        arguments: dict[str, FieldValue] = {"alternate-exchange": alternate} if alternate else {}
        made[name] = TYPES.create(type_name, name, arguments=arguments)
    for line in filter(None, map(str.strip, bindings.split(";"))):
        left, _, destination = line.partition(" -> ")
        source, _, key = left.rstrip("]").partition("[")
        kind = "exchange" if destination.isupper() else "queue"
        made[source].bind(
            Binding(source, destination, key, "exchange" if kind == "exchange" else "queue")
        )
    return Router(made, {name: name for name in queues.split()}, First(), cache_size)


def cc(*keys: FieldValue, bcc: list[FieldValue] | None = None) -> Properties:
    headers: dict[str, FieldValue] = {"CC": list(keys)}
    if bcc is not None:
        headers["BCC"] = bcc
    return Properties(headers=headers)


# (rule, exchanges, bindings, published to, key, queues reached)
CASES = [
    ("S24 the default exchange reaches a queue by name", {}, "", "", "q", "q"),
    ("S24 a name that is missing is unroutable", {}, "", "", "nobody", ""),
    ("S33 one copy by two bindings", {"X": "topic"}, "X[a.*] -> q; X[#] -> q", "X", "a.b", "q"),
    (
        "S33 one copy by two paths",
        {"X": "fanout", "Y": "fanout", "Z": "fanout"},
        "X -> Y; X -> Z; Y -> q; Z -> q; Z -> r",
        "X",
        "",
        "q r",
    ),
    (
        "S34 a cycle ends",
        {"X": "fanout", "Y": "fanout"},
        "X -> Y; Y -> X; X -> q; Y -> r",
        "X",
        "",
        "q r",
    ),
    ("S34 an exchange bound to itself", {"X": "fanout"}, "X -> X; X -> q", "X", "", "q"),
    (
        "S27 an exchange on the way has its own rules",
        {"X": "fanout", "Y": "direct"},
        "X -> Y; Y[a] -> q; Y[b] -> r",
        "X",
        "b",
        "r",
    ),
    (
        "S37 the alternate gets what nothing takes",
        {"X": "direct ~ A", "A": "fanout"},
        "X[a] -> q; A -> r",
        "X",
        "b",
        "r",
    ),
    (
        "S37 it gets nothing else",
        {"X": "direct ~ A", "A": "fanout"},
        "X[a] -> q; A -> r",
        "X",
        "a",
        "q",
    ),
    ("S37 an alternate that is missing drops it", {"X": "direct ~ A"}, "", "X", "a", ""),
    (
        "S37 alternates in a chain",
        {"X": "direct ~ A", "A": "direct ~ B", "B": "fanout"},
        "B -> q",
        "X",
        "a",
        "q",
    ),
    ("S37 alternates in a circle end", {"X": "direct ~ A", "A": "direct ~ X"}, "", "X", "a", ""),
    ("S37 an exchange that is its own alternate", {"X": "direct ~ X"}, "", "X", "a", ""),
    (
        "S37 a binding to an exchange that drops it is a destination",
        {"X": "fanout ~ A", "Y": "direct", "A": "fanout"},
        "X -> Y; A -> q",
        "X",
        "a",
        "",
    ),
    (
        "S37 the alternate of an exchange on the way",
        {"X": "fanout", "Y": "direct ~ A", "A": "fanout"},
        "X -> Y; A -> q",
        "X",
        "a",
        "q",
    ),
    ("S37 the default exchange as alternate leads nowhere", {"X": "direct ~ "}, "", "X", "q", ""),
    ("a binding to a queue that is gone", {"X": "fanout"}, "X -> gone; X -> q", "X", "", "q"),
    ("a binding to an exchange that is gone", {"X": "fanout"}, "X -> GONE; X -> q", "X", "", "q"),
]


@pytest.mark.parametrize("cache_size", [0, 1, 10])
@pytest.mark.parametrize(
    ("exchanges", "bindings", "to", "key", "queues"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_a_message_walks_from_exchange_to_queues(
    exchanges: dict[str, str], bindings: str, to: str, key: str, queues: str, cache_size: int
) -> None:
    router = topology(exchanges, bindings, cache_size=cache_size)
    for _ in range(2):
        assert " ".join(router.route(to, key)) == queues
        assert " ".join(router.explain(to, key).queues) == queues
    router.check()


def test_s38_the_default_exchange_ignores_its_alternate() -> None:
    """S38: neither an argument nor a policy gives the default exchange an alternate."""
    alternate = TYPES.create("fanout", "A")
    alternate.bind(Binding("A", "q"))
    default = DefaultExchange(arguments={"alternate-exchange": "A"})
    default.alternate = "A"
    router = Router({"": default, "A": alternate}, {"q": "q"}, First())
    assert router.route("", "nobody") == ()
    assert router.explain("", "nobody").queues == ()


def test_s37_an_alternate_set_later_counts_from_then_on() -> None:
    """S37: as when a policy sets it; the route remembered before is forgotten."""
    exchange, alternate = TYPES.create("direct", "X"), TYPES.create("fanout", "A")
    alternate.bind(Binding("A", "q"))
    router = Router({"X": exchange, "A": alternate}, {"q": "q"}, First())
    assert router.route("X", "k") == ()
    exchange.alternate = "A"
    router.invalidate()
    assert router.route("X", "k") == ("q",)


# (rule, exchanges, bindings, published to, key, CC, BCC, queues reached)
CC_CASES = [
    ("through the default exchange", {}, "", "", "q", ["r"], ["s"], "q r s"),
    ("one copy by two keys", {}, "", "", "q", ["q", "r", "q"], ["r"], "q r"),
    ("by direct", {"X": "direct"}, "X[a] -> q; X[b] -> r; X[c] -> s", "X", "a", ["b"], None, "q r"),
    (
        "by topic",
        {"X": "topic"},
        "X[a.#] -> q; X[*.b] -> r; X[c] -> s",
        "X",
        "a.b",
        ["c"],
        None,
        "q r s",
    ),
    ("by fanout, which has no use for keys", {"X": "fanout"}, "X -> q", "X", "a", ["b"], None, "q"),
    ("by headers, likewise", {"X": "headers"}, "X -> q", "X", "a", ["b"], None, "q"),
    (
        "to one queue of a hash",
        {"X": "x-consistent-hash"},
        "X[1] -> q",
        "X",
        "a",
        ["b", "c"],
        None,
        "q",
    ),
    ("drawn once", {"X": "x-random"}, "X[1] -> q; X[2] -> r", "X", "a", ["b", "c"], None, "q"),
    (
        "on through exchanges",
        {"X": "fanout", "Y": "direct"},
        "X -> Y; Y[b] -> q",
        "X",
        "a",
        ["b"],
        None,
        "q",
    ),
    (
        "S37 an alternate counts for all keys together: one taken",
        {"X": "direct ~ A", "A": "fanout"},
        "X[b] -> q; A -> r",
        "X",
        "a",
        ["b"],
        None,
        "q",
    ),
    (
        "S37 an alternate counts for all keys together: none taken",
        {"X": "direct ~ A", "A": "direct"},
        "X[b] -> q; A[a] -> r; A[c] -> s",
        "X",
        "a",
        ["c"],
        None,
        "r s",
    ),
    (
        "what is no string in the array is passed over",
        {},
        "",
        "",
        "q",
        [1, None, "r", ["s"]],
        None,
        "q r",
    ),
    ("an empty array", {}, "", "", "q", [], [], "q"),
]


@pytest.mark.parametrize("cache_size", [0, 10])
@pytest.mark.parametrize(
    ("exchanges", "bindings", "to", "key", "cc_keys", "bcc_keys", "queues"),
    [case[1:] for case in CC_CASES],
    ids=[case[0] for case in CC_CASES],
)
def test_s56_cc_and_bcc_add_routing_keys(
    exchanges: dict[str, str],
    bindings: str,
    to: str,
    key: str,
    cc_keys: list[FieldValue],
    bcc_keys: list[FieldValue] | None,
    queues: str,
    cache_size: int,
) -> None:
    """S56: on any exchange type, also where the key alone was remembered before."""
    router = topology(exchanges, bindings, cache_size=cache_size)
    alone = router.route(to, key)
    assert " ".join(router.route(to, key, cc(*cc_keys, bcc=bcc_keys))) == queues
    assert router.route(to, key) == alone
    router.check()


@pytest.mark.parametrize("header", ["CC", "BCC"])
@pytest.mark.parametrize(
    ("value", "type_name"),
    [
        ("r", "longstr"),
        (b"r", "binary"),
        (5, "signedint"),
        (2**40, "long"),
        (True, "bool"),
        (1.5, "double"),
        ({"r": 1}, "table"),
        (None, "void"),
    ],
)
def test_s56_cc_that_is_no_array_is_refused(header: str, value: FieldValue, type_name: str) -> None:
    """S56: with the text that RabbitMQ gives."""
    router = topology({"X": "fanout"}, "X -> q")
    with pytest.raises(PreconditionFailed) as caught:
        router.route("X", "", Properties(headers={header: value}))
    assert caught.value.text == (
        f'invalid message: {{unacceptable_type_in_header,"{header}",{type_name}}}'
    )
    with pytest.raises(PreconditionFailed):
        router.explain("X", "", Properties(headers={header: value}))


def test_s56_routing_keys_are_the_published_one_then_cc_then_bcc() -> None:
    """S56."""
    assert routing_keys("a", None) == ("a",)
    assert routing_keys("a", Properties()) == ("a",)
    assert routing_keys("a", cc("b", "c", bcc=["d"])) == ("a", "b", "c", "d")


@pytest.mark.parametrize("cache_size", [0, 10])
def test_a_message_that_dies_is_routed_by_the_keys_given_and_no_others(cache_size: int) -> None:
    router = topology({"X": "direct"}, "X[a] -> q; X[b] -> r; X[c] -> s", cache_size=cache_size)
    for _ in range(2):
        assert router.route_keys("X", ("a",)) == ("q",)
        assert router.route_keys("X", ("a",), cc("b")) == ("q",)
        assert router.route_keys("X", ("a", "c"), cc("b")) == ("q", "s")
        assert router.route_keys("", ("q", "r"), cc("b")) == ("q", "r")
        assert router.route("X", "a", cc("b")) == ("q", "r")
    with pytest.raises(KeyError):
        router.route_keys("Y", ("a",))


def test_an_exchange_that_does_not_exist_is_the_callers_to_answer() -> None:
    router = topology({}, "")
    with pytest.raises(KeyError):
        router.route("X", "k")
    with pytest.raises(KeyError):
        router.explain("X", "k")


def test_an_empty_queue_object_is_a_queue_all_the_same() -> None:
    router: Router[list[int]] = Router({"": DefaultExchange()}, {"q": []}, First())
    assert router.route("", "q") == ([],)
    assert router.route("", "q") == ([],)


def test_a_long_chain_of_exchanges_is_walked_without_recursion() -> None:
    length = 5000
    exchanges: dict[str, Exchange] = {}
    for number in range(length):
        exchange = exchanges[f"X{number}"] = TYPES.create("fanout", f"X{number}")
        exchange.bind(Binding(exchange.name, f"X{number + 1}", "", "exchange"))
    exchanges[f"X{length - 1}"].bind(Binding(f"X{length - 1}", "q"))
    router = Router(exchanges, {"q": "q"}, First())
    assert router.route("X0", "") == ("q",)
    trace = router.explain("X0", "")
    assert trace.queues == ("q",)
    assert len(str(trace).splitlines()) == length + 3
    assert len(trace.visits) == len(trace.paths["q"]) == length


class CountingQueues(dict[str, str]):
    """Queues that count how often they were looked for: a remembered route does not look."""

    def __init__(self, *names: str) -> None:
        super().__init__({name: name for name in names})
        self.lookups = 0

    def __contains__(self, name: object) -> bool:
        self.lookups += 1
        return super().__contains__(name)


@pytest.mark.parametrize(
    ("type_name", "key", "remembered"),
    [
        ("direct", "1", True),
        ("fanout", "1", True),
        ("topic", "1", True),
        ("headers", "1", False),
        ("x-consistent-hash", "1", False),
        ("x-random", "1", False),
    ],
)
@pytest.mark.parametrize("properties", [None, Properties(), Properties(headers={"a": 1})])
def test_only_what_depends_on_the_key_alone_is_remembered(
    type_name: str, key: str, remembered: bool, properties: Properties | None
) -> None:
    exchange = TYPES.create(type_name, "X")
    exchange.bind(Binding("X", "q", "1"))
    queues = CountingQueues("q")
    router = Router({"X": exchange}, queues, First())
    router.route("X", key, properties)
    first = queues.lookups
    router.route("X", key, properties)
    assert queues.lookups == (first if remembered else 2 * first)


def test_an_exchange_on_the_way_that_needs_headers_keeps_the_route_from_being_remembered() -> None:
    router = topology({"X": "fanout", "H": "headers"}, "X -> H; X -> q")
    exchanges = router._exchanges
    exchanges["H"].bind(Binding("H", "r", arguments={"a": 1}))
    assert router.route("X", "") == ("q",)
    assert router.route("X", "", Properties(headers={"a": 1})) == ("q", "r")
    assert router.route("X", "") == ("q",)


def test_the_cache_never_holds_more_than_it_may() -> None:
    router = topology({"X": "topic"}, "X[#] -> q", cache_size=3)
    for number in range(20):
        assert router.route("X", f"key.{number % 7}") == ("q",)
        router.check()


def test_what_is_unroutable_is_remembered_too() -> None:
    exchange = TYPES.create("direct", "X")
    exchange.bind(Binding("X", "q", "a"))
    router = Router({"X": exchange}, {"q": "q"}, First())
    assert router.route("X", "b") == router.route("X", "b") == ()
    exchange.bind(Binding("X", "q", "b"))
    router.invalidate()
    assert router.route("X", "b") == ("q",)
