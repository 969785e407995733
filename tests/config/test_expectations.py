"""What a file expects is what a broker does: the same routes, the same times."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from leveret import Broker, ManualClock, Properties
from leveret.config import Expectation, loads

if TYPE_CHECKING:
    from leveret.config import Topology

NAMES = ["a", "b", "c", "d"]
QUEUES = st.fixed_dictionaries(
    {
        "ttl": st.sampled_from([None, 0, 1, 2, 5]),
        "exchange": st.sampled_from([None, "", "fan", "top", "dir"]),
        "key": st.sampled_from([None, "a", "b", "c", "x.y"]),
    }
)
BINDINGS = st.lists(
    st.tuples(
        st.sampled_from(["fan", "top", "dir"]),
        st.sampled_from(["a", "b", "#", "x.*", "*"]),
        st.sampled_from(["a", "b", "c", "d", "exchange fan", "exchange top"]),
    ),
    max_size=8,
    unique=True,
)


def topology_of(queues: list[dict[str, object]], bindings: list[tuple[str, str, str]]) -> Topology:
    text = "exchanges: {fan: fanout, top: topic, dir: direct}\nqueues:\n"
    for name, queue in zip(NAMES, queues, strict=True):
        parts = [] if queue["ttl"] is None else [f"ttl: {queue['ttl']}s"]
        if queue["exchange"] is not None:
            key = "" if queue["key"] is None else f", routing_key: {queue['key']}"
            parts.append(f"dead_letter: {{exchange: '{queue['exchange']}'{key}}}")
        text += f"  {name}: {{{', '.join(parts)}}}\n"
    lines = [f'  - "{source}[{key}] -> {target}"\n' for source, key, target in bindings]
    return loads(text + "bindings:\n" + "".join(lines) if lines else text)


def complaint(topology: Topology, expectation: Expectation) -> str:
    found = evolve(topology, expectations=[expectation]).check()
    return "".join(finding.message for finding in found if finding.code == "E05")


@given(
    st.lists(
        QUEUES.filter(lambda queue: (queue["exchange"], queue["key"]) != ("", "x.y")),
        min_size=4,
        max_size=4,
    ),
    BINDINGS,
    st.sampled_from(NAMES),
    st.sampled_from(["a", "x.y"]),
    st.integers(0, 12),
)
@settings(max_examples=150)
def test_time_passes_as_in_a_broker(
    queues: list[dict[str, object]],
    bindings: list[tuple[str, str, str]],
    queue: str,
    key: str,
    after_s: int,
) -> None:
    """S110, S106: what expires goes on until nothing moves it, or it comes back."""
    topology = topology_of(queues, bindings)
    clock = ManualClock()
    broker = Broker.from_topology(topology, clock=clock)
    channel = broker.channel()
    # A way in that leaves the routing key as it is, and leads to no other queue.
    channel.exchange_declare("in", "fanout")
    channel.queue_bind(queue, "in")
    properties = None
    first_ttl = queues[NAMES.index(queue)]["ttl"]
    if first_ttl is None:
        properties = Properties(expiration=str(after_s * 1000))
    channel.basic_publish("in", key, b"", properties)
    clock.advance(seconds=after_s)
    holding = [
        name for name in NAMES if channel.queue_declare(name, passive=True).method.message_count
    ]
    expected = Expectation(
        tuple(holding), expires_queue=queue, expires_after_ms=after_s * 1000, routing_key=key
    )
    assert complaint(topology, expected) == ""
    if holding:
        assert complaint(topology, evolve(expected, reaches=())) != ""


@given(BINDINGS, st.sampled_from(["fan", "top", "dir", ""]), st.sampled_from(["a", "x.y", "b"]))
@settings(max_examples=100)
def test_a_published_message_goes_where_a_broker_sends_it(
    bindings: list[tuple[str, str, str]], exchange: str, key: str
) -> None:
    topology = topology_of([{"ttl": None, "exchange": None, "key": None}] * 4, bindings)
    broker = Broker.from_topology(topology, clock=ManualClock())
    reached = tuple(broker.explain(exchange, key).queues)
    assert complaint(topology, Expectation(reached, exchange, key)) == ""
    assert complaint(topology, Expectation((*reached, "nobody"), exchange, key)) != ""


def test_a_message_expires_in_a_queue_without_ttl_by_an_expiration_of_its_own() -> None:
    text = "queues: {a: {dead_letter: true, lint: {ignore: [L06]}}}\n"
    text += "expect: [{expires: {queue: a, after: 1h}, reaches: [a.dlq]}]"
    assert loads(text).check() == []


def test_where_chance_decides_every_queue_that_may_get_it_is_listed() -> None:
    text = (
        "exchanges: {x: x-random}\nqueues: [a, b]\nbindings: [x -> a, x -> b]\n"
        "expect: [{publish: {exchange: x}, reaches: [%s]}]"
    )
    assert loads(text % "a, b").check() == []
    assert len(loads(text % "a").check()) == 1


@pytest.mark.parametrize(
    ("headers", "text"),
    [("{CC: [b]}", ""), ("{BCC: [b]}", ""), ("{CC: b}", "unacceptable_type_in_header")],
)
def test_cc_and_bcc_count_s56(headers: str, text: str) -> None:
    """S56: they add routing keys, and must be lists."""
    topology = loads(
        "exchanges: {x: direct}\nqueues: [a, b]\nbindings: ['x[a] -> a', 'x[b] -> b']\n"
        f"expect: [{{publish: {{exchange: x, routing_key: a, headers: {headers}}},"
        " reaches: [a, b]}]"
    )
    messages = "".join(finding.message for finding in topology.check())
    assert text in messages
    assert bool(messages) == bool(text)


def test_dead_letters_that_multiply_are_given_up_on() -> None:
    queues = "".join(
        f"  q{layer}-{n}: {{ttl: 1s, dead_letter: {{exchange: x{layer}}}}}\n"
        for layer in range(20)
        for n in range(3)
    )
    exchanges = "".join(f"  x{layer}: fanout\n" for layer in range(20))
    bindings = "".join(
        f"  - x{layer} -> q{layer + 1}-{n}\n" for layer in range(19) for n in range(3)
    )
    text = f"exchanges:\n{exchanges}queues:\n{queues}bindings:\n{bindings}"
    text += "expect: [{expires: {queue: q0-0}, reaches: [q0-1]}]"
    assert "E05" in [finding.code for finding in loads(text).check()]


def test_expectations_that_come_to_too_much_are_not_taken_for_true() -> None:
    bindings = "".join(f"  - x -> q{n}\n" for n in range(1000))
    text = (
        "exchanges: {x: fanout}\nqueues: ["
        + ", ".join(f"q{n}" for n in range(1000))
        + "]\nbindings:\n"
        + bindings
        + "expect:\n"
        + "  - {publish: {exchange: x}, reaches: []}\n" * 400
    )
    found = loads(text, "t.yaml").check()
    errors = [one for one in found if one.code == "E05"]
    assert errors[-1].message == (
        "100 expectations from here on were not tried: the messages of those before come to more"
        " than 300,000 bindings"
    )
    assert len(errors) < 400


def test_a_message_that_is_followed_too_far_is_not_taken_to_be_anywhere() -> None:
    queues = "".join(
        f"  q{n}: {{ttl: 1s, dead_letter: {{exchange: '', routing_key: q{n + 1}}}}}\n"
        for n in range(1100)
    )
    text = f"queues:\n{queues}  q1100: {{}}\nexpect:\n  - {{expires: {{queue: q0}}, reaches: []}}\n"
    errors = [one for one in loads(text, "t.yaml").check() if one.code == "E05"]
    assert [error.message for error in errors] == [
        "a message in queue 'q0' was followed into 1,000 queues, and what becomes of it then was"
        " not tried"
    ]
