"""Whatever the bytes, the outcome is a topology or a `TopologyError`, and it comes soon."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leveret.config import Topology, loads
from leveret.errors import TopologyError

BROKEN = sorted((Path(__file__).parent / "broken").glob("*.yaml"))
FILES = [file.read_bytes() for file in BROKEN]
PIECES = [
    "exchanges:", "queues:", "bindings:", "virtual_hosts:", "defaults:", "policies:", "users:",
    "expect:", "requests:", "arguments:", "dead_letter:", "routing_key:", "match:", "publish:",
    "type:", "ttl:", "permissions:", "topic_permissions:", "reaches:", "name:", "/:", "queue:",
    "a", "b", "topic", "headers", "1h", "true", "~", "5", "1.5", "*a", "&a", "<<:", "!!int", "!x",
    "${A}", "${B:-1}", "a[b, c] -> d", "a -> exchange b", "'", '"', "[", "]", "{", "}", ",", ": ",
    "- ", "? ", "|", ">", "#", " #", "\n", "\n  ", "\n    ", "\n- ", "\t", "\r", "\u2028", "é", "%",
]  # fmt: skip


def outcome(data: str | bytes) -> Topology | TopologyError:
    """Load, and check that a refusal is fit to be shown."""
    try:
        return loads(data, "t.yaml", environment={"A": "a"})
    except TopologyError as error:
        refusal = error
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
