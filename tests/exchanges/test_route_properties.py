"""On random topologies that change: cache or none, routed or explained, the answer is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from leveret.exchanges import (
    DefaultExchange,
    Envelope,
    Exchange,
    ExchangeTypes,
    Router,
    routing_keys,
)
from leveret.properties import FieldValue, Properties
from leveret.routing import Binding, DestinationType, HeadersMatch, TopicPattern

if TYPE_CHECKING:
    from collections.abc import Iterable

TYPES = ExchangeTypes()
EXCHANGES = {
    "D": "direct",
    "F": "fanout",
    "T": "topic",
    "U": "topic",
    "H": "headers",
    "C": "x-consistent-hash",
    "R": "x-random",
}
QUEUES = ("q", "r", "s", "t")
KEYS = ("", "a", "b", "a.b", "b.a", ".", "a.b.c", "q", "r")
PATTERNS = ("", "a", "b", "#", "*", "a.#", "*.b", "#.a.#", "a.*.c")
HEADERS: tuple[dict[str, FieldValue], ...] = (
    {},
    {"h": 1},
    {"h": "1", "x-h": 1},
    {"h": 1, "g": None},
)
ARGUMENTS: tuple[dict[str, FieldValue], ...] = (
    {},
    {"h": 1},
    {"h": None, "x-match": "any"},
    {"x-h": 1, "x-match": "all-with-x"},
    {"h": 1, "g": 2, "x-match": "any"},
)


@define
class Fixed:
    """Chance that always draws the same number, as far as it fits."""

    number: int

    def randrange(self, stop: int, /) -> int:
        return self.number % stop


@st.composite
def bindings(draw: st.DrawFn) -> Binding:
    source = draw(st.sampled_from(sorted(EXCHANGES)))
    to: DestinationType = draw(st.sampled_from(("queue", "queue", "exchange")))
    destination = draw(st.sampled_from(QUEUES if to == "queue" else (*EXCHANGES, "MISSING")))
    keys = {"T": PATTERNS, "U": PATTERNS, "C": ("1", "3")}.get(source, KEYS)
    arguments = draw(st.sampled_from(ARGUMENTS)) if source == "H" else {}
    return Binding(source, destination, draw(st.sampled_from(keys)), to, arguments)


def messages() -> st.SearchStrategy[tuple[str, str, Properties | None]]:
    headers = st.sampled_from(HEADERS)
    copies = st.lists(st.sampled_from(KEYS), max_size=2)
    properties = st.one_of(
        st.none(),
        st.builds(lambda h: Properties(headers=h), headers),
        st.builds(lambda h, cc: Properties(headers={**h, "CC": list(cc)}), headers, copies),
    )
    return st.tuples(st.sampled_from(("", *EXCHANGES)), st.sampled_from(KEYS), properties)


def takes(exchange: Exchange, binding: Binding, envelope: Envelope) -> bool:
    """Say, in the plainest way, whether a binding takes a message."""
    match exchange.type:
        case "fanout":
            return True
        case "direct":
            return binding.routing_key in envelope.routing_keys
        case "topic":
            pattern = TopicPattern.parse(binding.routing_key)
            return any(map(pattern.matches, envelope.routing_keys))
        case "headers":
            return HeadersMatch.compile(binding.arguments).matches(envelope.headers)
        case _:
            return binding in exchange.route(envelope)


def reference(
    start: str, exchanges: dict[str, Exchange], queues: Iterable[str], envelope: Envelope
) -> set[str]:
    """Return the queues reached, by the plainest walk there is."""
    if not start:
        return set(envelope.routing_keys) & set(queues)
    reached: set[str] = set()
    seen: set[str] = set()
    waiting = {start}
    while waiting:
        name = waiting.pop()
        if name in seen or name not in exchanges or not name:
            continue
        seen.add(name)
        exchange = exchanges[name]
        taken = [b for b in exchange.bindings if takes(exchange, b, envelope)]
        reached |= {b.destination for b in taken if b.destination_type == "queue"}
        waiting |= {b.destination for b in taken if b.destination_type == "exchange"}
        if not taken and exchange.alternate is not None:
            waiting.add(exchange.alternate)
    return reached & set(queues)


class ChangingTopology(RuleBasedStateMachine):
    """Two routers, with a small cache and with none, on one topology that changes."""

    def __init__(self) -> None:
        super().__init__()
        self.exchanges: dict[str, Exchange] = {"": DefaultExchange()}
        for name, type_name in EXCHANGES.items():
            self.exchanges[name] = TYPES.create(type_name, name)
        self.queues = {name: name for name in QUEUES}
        self.random = Fixed(0)
        self.cached = Router(self.exchanges, self.queues, self.random, 3)
        self.plain = Router(self.exchanges, self.queues, self.random, 0)

    def changed(self, exchange: str) -> None:
        self.cached.invalidate()
        self.exchanges[exchange].check()

    @rule(binding=bindings())
    def bind(self, binding: Binding) -> None:
        self.exchanges[binding.source].bind(binding)
        self.changed(binding.source)

    @rule(data=st.data(), name=st.sampled_from(sorted(EXCHANGES)))
    def unbind(self, data: st.DataObject, name: str) -> None:
        if bound := list(self.exchanges[name].bindings):
            self.exchanges[name].unbind(data.draw(st.sampled_from(bound)))
            self.changed(name)

    @rule(
        name=st.sampled_from(sorted(EXCHANGES)),
        alternate=st.sampled_from((None, "", "MISSING", *EXCHANGES)),
    )
    def set_alternate(self, name: str, alternate: str | None) -> None:
        self.exchanges[name].alternate = alternate
        self.changed(name)

    @rule(name=st.sampled_from(QUEUES))
    def add_or_drop_queue(self, name: str) -> None:
        if self.queues.pop(name, None) is None:
            self.queues[name] = name
        self.cached.invalidate()

    @rule(number=st.integers(0, 5))
    def change_chance(self, number: int) -> None:
        self.random.number = number

    @rule(message=messages())
    def publish(self, message: tuple[str, str, Properties | None]) -> None:
        start, key, properties = message
        found = self.plain.route(*message)
        assert self.cached.route(*message) == found
        assert self.cached.route(*message) == found
        assert len(set(found)) == len(found)
        envelope = Envelope(routing_keys(key, properties), properties, self.random)
        assert set(found) == reference(start, self.exchanges, self.queues, envelope)
        self.explain(message, found)

    def explain(self, message: tuple[str, str, Properties | None], found: tuple[str, ...]) -> None:
        trace = self.plain.explain(*message)
        assert set(trace.queues) <= set(found) <= {*trace.queues, *trace.possible}
        if not trace.possible:
            assert trace.queues == found
        assert set(trace.paths) == {*trace.queues, *trace.possible}
        assert str(trace).count("\n") >= 1
        assert trace.to_json()
        envelope = Envelope(trace.routing_keys, message[2], self.random)
        for visit in trace.visits:
            exchange = self.exchanges[visit.exchange]
            assert visit.source is None or self.exchanges[visit.source]
            for one in visit.considered:
                verdict = exchange.explain(one.binding, envelope)
                assert verdict.matched == one.matched, (one, verdict)
                assert bool(verdict.reason) or verdict.matched
                assert (exchange.distance(one.binding, envelope) == 0) == one.matched

    @invariant()
    def what_is_remembered_is_right(self) -> None:
        self.cached.check()


TestChangingTopology = ChangingTopology.TestCase
TestChangingTopology.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


@settings(max_examples=100, deadline=None)
@given(st.lists(bindings(), max_size=30), st.lists(messages(), min_size=1, max_size=10))
def test_the_order_of_queues_is_the_same_for_the_same_topology(
    made: list[Binding], published: list[tuple[str, str, Properties | None]]
) -> None:
    routers = []
    for _ in range(2):
        exchanges: dict[str, Exchange] = {"": DefaultExchange()}
        for name, type_name in EXCHANGES.items():
            exchanges[name] = TYPES.create(type_name, name)
        for binding in made:
            exchanges[binding.source].bind(binding)
        routers.append(Router(exchanges, {name: name for name in QUEUES}, Fixed(1)))
    for message in published:
        assert routers[0].route(*message) == routers[1].route(*message)
