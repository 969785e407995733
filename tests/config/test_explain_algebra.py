"""Explanations of generated topologies: they end, and agree with where messages really go."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from leveret.config import Topology, loads
from leveret.config.explain_parts import DeadLetters, Destination, Source
from leveret.config.view import HostView
from leveret.errors import TopologyError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leveret.config.routes import Routes

EXCHANGES = ["x1", "x2", "x3", "x4"]
QUEUES = ["q1", "q2", "q3"]
KEYS = st.sampled_from(["a", "a.b", "a.*", "*.b", "#", "a.#", "#.b", "", "*", "q1"])
HEADERS = st.fixed_dictionaries(
    {"x-match": st.sampled_from(["all", "any"])},
    optional={"h": st.sampled_from([1, "1", None]), "i": st.just(True)},
)
BINDINGS = st.fixed_dictionaries(
    {
        "source": st.sampled_from(EXCHANGES),
        "end": st.sampled_from(
            [("queue", q) for q in QUEUES] + [("exchange", x) for x in EXCHANGES]
        ),
        "routing_key": KEYS,
        "match": HEADERS,
        "weight": st.integers(1, 3),
    }
)
EXCHANGE = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            ["topic", "topic", "direct", "fanout", "headers", "x-consistent-hash", "x-random"]
        )
    },
    optional={"alternate": st.sampled_from(EXCHANGES), "internal": st.booleans()},
)
QUEUE = st.fixed_dictionaries(
    {},
    optional={
        "ttl": st.sampled_from([0, 1000, 60_000]),
        "max_length": st.sampled_from([1, 10]),
        "overflow": st.sampled_from(["drop-head", "reject-publish"]),
        "dead_letter": st.fixed_dictionaries(
            {"exchange": st.sampled_from([*EXCHANGES, ""])},
            optional={"routing_key": st.sampled_from(["a", "a.b", "q2", "none"])},
        ),
    },
)
POLICIES = st.fixed_dictionaries(
    {"pattern": st.sampled_from(["^q1$", ".*", "^q[23]$"])},
    optional={"priority": st.integers(0, 2)},
).flatmap(
    lambda policy: st.sampled_from(
        [
            policy | {"apply_to": "queues", "definition": {"message-ttl": 500}},
            policy | {"apply_to": "queues", "definition": {"dead-letter-exchange": "x1"}},
        ]
    )
)


def _written(binding: dict[str, Any], exchanges: dict[str, Any]) -> dict[str, Any]:
    kind, name = binding["end"]
    written = {"source": binding["source"], "destination_type": kind, "destination": name}
    type_ = exchanges[binding["source"]]["type"]
    if type_ == "headers":
        return written | {"match": binding["match"]}
    if type_ == "x-consistent-hash":
        return written | {"routing_key": str(binding["weight"])}
    return written | {"routing_key": binding["routing_key"]}


@st.composite
def topologies(draw: st.DrawFn) -> Topology:
    exchanges = {name: draw(EXCHANGE) for name in EXCHANGES}
    bindings = draw(st.lists(BINDINGS, max_size=9))
    text = json.dumps(
        {
            "exchanges": exchanges,
            "queues": {name: draw(QUEUE) for name in QUEUES},
            "bindings": [_written(one, exchanges) for one in bindings],
            "policies": {
                f"p{n}": one for n, one in enumerate(draw(st.lists(POLICIES, max_size=2)))
            },
        }
    )
    try:
        return loads(text)
    except TopologyError:
        assume(False)
        raise


def routes(topology: Topology) -> Routes:
    return HostView(topology.virtual_hosts["/"], topology.compatibility).routes


def published(sources: tuple[Source | DeadLetters, ...]) -> Iterator[Source]:
    """Yield the sources of one publish, not what died on the way."""
    for source in sources:
        if isinstance(source, Source):
            yield source
            yield from published(source.sources)


def all_destinations(onward: tuple[Destination, ...]) -> Iterator[Destination]:
    for one in onward:
        yield one
        yield from all_destinations(one.onward)
        if one.fate is not None:
            yield from all_destinations(one.fate.onward)


SOME_KEYS = [
    ".".join(words) for n in range(4) for words in itertools.product(["a", "b", "q1"], repeat=n)
]
SOME_HEADERS: list[dict[str, Any]] = [{}, {"h": 1}, {"h": "1"}, {"i": True}, {"h": 2, "i": True}]
SLOW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@given(topologies())
@SLOW
def test_every_way_to_a_queue_is_told_and_each_example_arrives(topology: Topology) -> None:
    made = routes(topology)
    reached = {
        (exchange, key, n): made.reached(exchange, (key,), headers)
        for exchange in ("", *EXCHANGES)
        for key in SOME_KEYS
        for n, headers in enumerate(SOME_HEADERS)
    }
    for queue in QUEUES:
        explained = topology.explain(queue, kind="queue")
        assert not explained.more_sources
        found = list(published(explained.sources))
        for source in found:
            if source.example is not None:
                example = source.example
                arrives = made.reached(source.exchange, (example.routing_key,), example.headers)
                assert queue in arrives
            elif source.keys.exact and not source.closed:
                assert source.chance or source.sources or _after_chance(explained.sources, source)
        for (exchange, key, _), queues in reached.items():
            if queue in queues:
                assert any(
                    one.exchange == exchange and not one.closed and key in one.keys for one in found
                ), (exchange, key)


def _after_chance(sources: tuple[Source | DeadLetters, ...], wanted: Source) -> bool:
    """Say whether chance decides somewhere between a source and the queue."""
    for source in sources:
        if isinstance(source, Source):
            if source is wanted:
                return bool(source.chance)
            inner = _after_chance(source.sources, wanted)
            if inner or (source.chance and wanted in published(source.sources)):
                return True
    return False


@given(topologies())
@SLOW
def test_two_queues_never_meet_where_that_is_said(topology: Topology) -> None:
    made = routes(topology)
    for one, other in itertools.combinations(QUEUES, 2):
        explained = topology.explain_pair(one, other)
        assert str(explained)
        told = {together.exchange: together for together in explained.exchanges}
        for exchange in EXCHANGES:
            together = told.get(exchange)
            if together is not None and together.example is not None:
                message = together.example
                arrives = made.reached(exchange, (message.routing_key,), message.headers)
                assert {one, other} <= set(arrives)
            elif together is None or together.possible is False:
                for key, headers in itertools.product(SOME_KEYS, SOME_HEADERS):
                    arrives = made.reached(exchange, (key,), headers)
                    assert not {one, other} <= set(arrives), (exchange, key, headers)


@given(topologies())
@SLOW
def test_an_exchange_leads_where_messages_go_and_nowhere_else(topology: Topology) -> None:
    made = routes(topology)
    for exchange in EXCHANGES:
        explained = topology.explain(exchange, kind="exchange")
        told = {one.name for one in all_destinations(explained.onward) if one.type == "queue"}
        for key, headers in itertools.product(SOME_KEYS, SOME_HEADERS):
            assert set(made.reached(exchange, (key,), headers)) <= told
        leftover = explained.leftover
        if leftover is not None and leftover.example is not None:
            trace = made.explain(exchange, leftover.example, {})
            assert not trace.visits[0].matched


@given(topologies(), st.sampled_from([*QUEUES, *EXCHANGES, ""]))
@SLOW
def test_every_explanation_can_be_read_and_written_as_json(topology: Topology, name: str) -> None:
    explained = topology.explain(name)
    lines = str(explained).splitlines()
    assert lines[0].startswith(("queue ", "exchange ", "the default exchange"))
    assert not any(line.endswith(" ") for line in lines)
    assert json.loads(explained.to_json())["kind"] in ("queue", "exchange")


def many(count: int) -> Topology:
    regions = ["eu", "us", "apac", "*"]
    keys = [
        f"{'*' if n % 7 == 0 else f'shop{n % 50}'}.{n}.{regions[n % 4]}.#" for n in range(count)
    ]
    queues = {f"q{n}": {"ttl": "1h", "dead_letter": {"exchange": "dead"}} for n in range(500)}
    return loads(
        json.dumps(
            {
                "exchanges": {
                    "shop": "topic",
                    "orders": {"type": "topic", "alternate": "rest"},
                    "rest": "fanout",
                    "dead": "topic",
                },
                "queues": queues | {"rest": {}, "all": {}, "dead": {}},
                "bindings": [
                    "shop[#.eu.#] -> exchange orders",
                    *(f'orders["{key}"] -> q{n % 500}' for n, key in enumerate(keys)),
                    *(f'orders["{key}"] -> all' for key in keys),
                    *(f'dead["{key}"] -> dead' for key in keys[:500]),
                    "rest -> rest",
                ],
            }
        )
    )


def test_thousands_of_bindings_are_explained_in_few_lines() -> None:
    topology = many(4_000)
    for queue in ("q7", "all", "rest", "dead"):
        assert len(str(topology.explain(queue, kind="queue")).splitlines()) < 100
    for exchange in ("orders", "shop", "dead"):
        assert len(str(topology.explain(exchange, kind="exchange")).splitlines()) < 100
    assert topology.explain_pair("q7", "all").possible


def test_long_chains_and_rings_end() -> None:
    chain = {
        "exchanges": {f"x{n}": {"type": "fanout", "alternate": f"x{n + 1}"} for n in range(3_000)}
        | {"x3000": "fanout"},
        "queues": {
            f"q{n}": {
                "ttl": "1s",
                "dead_letter": {"exchange": "", "routing_key": f"q{(n + 1) % 3_000}"},
            }
            for n in range(3_000)
        },
        "bindings": ["x3000 -> q0"],
    }
    topology = loads(json.dumps(chain))
    for name in ("q0", "x0", "x3000"):
        assert len(str(topology.explain(name)).splitlines()) < 500


def test_what_takes_every_message_leaves_none_to_the_alternate() -> None:
    topology = loads(
        "exchanges: {all: {type: headers, alternate: rest}, rest: fanout}\n"
        "queues: [q, r]\n"
        "bindings:\n"
        "  - {source: all, destination: q, match: {x-match: all}}\n"
        "  - rest -> r\n"
    )
    explained = topology.explain("r", kind="queue")
    closed = {source.exchange: source.closed for source in published(explained.sources)}
    assert closed == {"rest": False, "all": True, "": False}
