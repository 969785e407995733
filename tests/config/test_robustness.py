"""Whatever the bytes, the outcome is a topology or a `TopologyError`, and it comes soon."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leveret.config import Topology, loads
from leveret.config.lint import lint
from leveret.config.loader import attempt
from leveret.config.name_patterns import NamePatterns
from leveret.errors import TopologyError

if TYPE_CHECKING:
    from collections.abc import Callable

BROKEN = sorted((Path(__file__).parent / "broken").glob("*.yaml"))
CHECKED = sorted((Path(__file__).parent / "checked").glob("*.yaml"))
FILES = [file.read_bytes() for file in (*BROKEN, *CHECKED)]
PIECES = [
    "exchanges:", "queues:", "bindings:", "virtual_hosts:", "defaults:", "policies:", "users:",
    "expect:", "requests:", "arguments:", "dead_letter:", "routing_key:", "match:", "publish:",
    "type:", "ttl:", "permissions:", "topic_permissions:", "reaches:", "name:", "/:", "queue:",
    "a", "b", "topic", "headers", "1h", "true", "~", "5", "1.5", "*a", "&a", "<<:", "!!int", "!x",
    "${A}", "${B:-1}", "a[b, c] -> d", "a -> exchange b", "'", '"', "[", "]", "{", "}", ",", ": ",
    "- ", "? ", "|", ">", "#", " #", "\n", "\n  ", "\n    ", "\n- ", "\t", "\r", "\u2028", "é", "%",
]  # fmt: skip


def outcome(data: str | bytes) -> Topology | TopologyError:
    """Load, and check that a refusal is fit to be shown; check whatever can be told of it."""
    topology, faults = attempt(data, "t.yaml", environment={"A": "a"})
    if topology is not None:
        found = lint(topology, "4.3", notes=True, is_whole=not faults)
        assert all(finding.remedy and "\x1b" not in str(finding) for finding in found)
        if not faults:
            return topology
    refusal = TopologyError(faults)
    with pytest.raises(TopologyError) as caught:
        loads(data, "t.yaml", environment={"A": "a"})
    assert str(caught.value) == str(refusal)
    lines = (data if isinstance(data, str) else data.decode("utf-8", "replace")).splitlines()
    for fault in refusal.faults:
        assert fault.remedy
        assert 1 <= fault.position.line <= len(lines) + 1
        assert fault.position.column >= 1
        assert "\x1b" not in str(fault)
    assert list(refusal.faults) == sorted(refusal.faults, key=lambda fault: fault.position)
    return refusal


@given(st.binary(max_size=200))
@settings(max_examples=200)
def test_random_bytes_make_no_other_error(data: bytes) -> None:
    outcome(data)


@given(st.text(max_size=100))
@settings(max_examples=200)
def test_random_text_makes_no_other_error(text: str) -> None:
    outcome(text)


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
@settings(max_examples=400)
def test_pieces_of_topologies_make_no_other_error(text: str) -> None:
    outcome(text)


@given(st.sampled_from(FILES), st.integers(0, 300), st.integers(0, 10), st.binary(max_size=5))
@settings(max_examples=300)
def test_damaged_files_make_no_other_error(file: bytes, at: int, cut: int, put: bytes) -> None:
    outcome(file[:at] + put + file[at + cut :])


@pytest.mark.parametrize(
    "data",
    [
        "[" * 1_000_000,
        "{a: " * 250_000,
        "- " * 500_000,
        "? " * 500_000,
        "a" * 1_000_000,
        '"' * 1_000_000,
        "\n" * 1_000_000,
        "\0" * 1_000_000,
        "!" * 1_000_000,
        "${" * 500_000,
        "version: " + "9" * 1_000_000,
        "queues: {q: {ttl: " + "9" * 1_000_000 + "}}",
        "policies: {p: {pattern: '" + "(" * 1_000_000 + "', definition: {}}}",
        "bindings: ['a[" + "k," * 500_000 + "']",
        "bindings: ['a[" + '"' * 1_000_000 + "']",
        "queues:\n" + "  a: {}\n" * 125_000,
        "queues: [" + "!x a, " * 160_000 + "]",
    ],
    ids=lambda data: repr(data[:12]),
)
def test_a_hostile_megabyte_is_refused_within_a_second(data: str) -> None:
    began = time.process_time()
    refusal = outcome(data)
    assert isinstance(refusal, TopologyError)
    assert time.process_time() - began < 1.0
    assert len(str(refusal)) < 500_000


def _lines(section: str, count: int, line: Callable[[int], str], rest: str = "") -> str:
    return f"{section}:\n" + "".join(f"  {line(n)}\n" for n in range(count)) + rest


TOPIC = "exchanges: {o: topic}\nqueues: [q]"
ABSURD = {
    "queues": _lines("queues", 100_000, lambda n: f"- q{n}"),
    "dead letters": _lines("queues", 30_000, lambda n: f"q{n}: {{dead_letter: true}}"),
    "bindings": _lines("bindings", 70_000, lambda n: f"- o[{n}] -> q", TOPIC),
    "hashes": _lines("bindings", 9_000, lambda n: f"- o[{'#.' * 50}{n}] -> q", TOPIC),
    "alternates": _lines(
        "exchanges",
        25_000,
        lambda n: f"x{n}: {{type: fanout, alternate: x{n + 1}}}",
        "  x25000: fanout",
    ),
    "ring": _lines(
        "queues",
        10_000,
        lambda n: f"q{n}: {{ttl: 1s, dead_letter: {{exchange: '', routing_key: q{-~n % 10_000}}}}}",
    ),
    "slow patterns": _lines(
        "policies",
        9_000,
        lambda n: f"p{n}: {{pattern: '(a|a)*(a|a)*{n}', definition: {{max-length: 1}}}}",
        f"queues: [{'a' * 200}]",
    ),
    "policies": _lines(
        "policies",
        6_000,
        lambda n: f"p{n}: {{pattern: x{n}, definition: {{max-length: 1}}}}",
        _lines("queues", 40_000, lambda n: f"- q{n}"),
    ),
    "headers": _lines(
        "bindings",
        20_000,
        lambda n: f"- {{source: h, destination: q, match: {{a{n}: 1}}}}",
        "exchanges: {h: headers}\nqueues: [q]",
    ),
    "expectations": _lines(
        "expect",
        6_000,
        lambda _: "- publish: {exchange: x}\n    reaches: []",
        "exchanges: {x: fanout}\n"
        + _lines("queues", 1000, lambda n: f"- q{n}")
        + _lines("bindings", 1000, lambda n: f"- x -> q{n}"),
    ),
}


@pytest.mark.parametrize("text", ABSURD.values(), ids=list(ABSURD))
def test_an_absurd_megabyte_is_checked_within_seconds(text: str) -> None:
    began = time.process_time()
    topology, faults = attempt(text, "t.yaml", environment={})
    assert topology is not None
    assert faults == []
    lint(topology)
    assert time.process_time() - began < 15


def test_more_virtual_hosts_than_a_broker_can_have_are_refused_with_the_reason() -> None:
    text = "virtual_hosts:\n" + "".join(f"  v{n}: {{}}\n" for n in range(5_001))
    with pytest.raises(TopologyError) as caught:
        loads(text)
    [fault] = caught.value.faults
    assert fault.message.startswith("more than 5,000 virtual hosts are declared; in RabbitMQ each")


def test_patterns_that_take_long_to_make_count_as_work() -> None:
    patterns = NamePatterns()
    for number in range(5_000):
        patterns.of(f"((((a{{1,30}}){{1,30}}){{1,30}}){{1,30}}){number}")
        if patterns.exhausted:
            break
    assert number < 1_000
    assert patterns.of("^a$").matches("a") is None
