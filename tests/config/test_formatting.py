"""`format_topology`: one layout, the same meaning, every comment in its place."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leveret.config import format_topology
from leveret.config.environment import Environment
from leveret.config.format_read import comments_of, read_document
from leveret.config.loader import attempt
from leveret.config.source import Source
from leveret.errors import TopologyError

ROOT = Path(__file__).parents[2]
GOOD = sorted([*ROOT.glob("tests/config/checked/*.yaml"), *ROOT.glob("examples/**/*.yaml")])
BROKEN = sorted(ROOT.glob("tests/config/broken/*.yaml"))
RICH = """\
# about the file

version: 1
defaults: {queue: {durable: true}}
queues:
  one: {ttl: 1h, maxLength: 10_000,
        dead_letter: true}
  two:
    arguments:
      x-list: [1, "two", {three: 3.5}]
      "x-text": |
        first
          # no comment

        last
      x-folded: >-
        some words
        and more
exchanges: {shop: topic, 'heads': headers}
bindings:
- shop[a.*,b]->one
-   source: heads
    destination: two
    match: &all {"x-match": all, on: 1}
users:
  svc: {password: "${SECRET:-x}", permissions: {/: {configure: "^$", write: .*, read: '\\d'}}}
virtual_hosts:
  tenant:
    queues: [a, b]
    exchanges: [{name: x, type: topic}]
    expect:
    - publish: {exchange: x}
      reaches: []
"""
TEXTS = [file.read_text(encoding="utf-8") for file in GOOD] + [RICH, RICH]


def comments(text: str) -> Counter[str]:
    environment = Environment.of(Source("t.yaml", text), None)
    return Counter(map(environment.unmask, comments_of(read_document(environment.masked))))


def check_formatted(text: str) -> str:
    """Format a text, and check everything that has to hold of any result."""
    formatted = format_topology(text, "t.yaml")
    assert format_topology(formatted, "t.yaml") == formatted
    assert comments(formatted) == comments(text)
    before, _ = attempt(text, "t.yaml", environment={})
    after, _ = attempt(formatted, "t.yaml", environment={})
    assert after == before
    assert formatted.endswith("\n")
    assert "\n\n\n" not in formatted or "\n\n\n" in text  # within a text of several lines
    assert not any(line != line.rstrip() for line in formatted.splitlines())
    return formatted


@pytest.mark.parametrize("file", [*GOOD, *BROKEN], ids=lambda file: file.stem)
def test_a_file_is_laid_out_or_refused_with_what_check_says(file: Path) -> None:
    text = file.read_bytes()
    _, faults = attempt(text, "t.yaml", environment={})
    try:
        check_formatted(text.decode())
    except (TopologyError, UnicodeDecodeError):
        with pytest.raises(TopologyError) as refusal:
            format_topology(text, "t.yaml")
        assert set(map(str, refusal.value.faults)) <= set(map(str, faults))


PIECES = [
    *(b"#", b" # c\n", b"\n", b"\n\n", b"- ", b"? ", b": ", b"{", b"}", b"[", b"]", b",", b"\t"),
    *(
        b"&a ",
        b"*a",
        b"!!str ",
        b"|",
        b">",
        b"|2",
        b"|+",
        b"'",
        b'"',
        b"${A}",
        b"${",
        b"\r\n",
        b"~",
    ),
    *(b"---\n", b"...\n", b"%YAML 1.2\n", b"\xe2\x80\xa8", b"\xef\xbb\xbf", b"\xee\x80\x80", b"\\"),
    *(b"on", b"1:30", b"!", b"  ", b"\xff", b"\0"),
]
DAMAGE = st.lists(
    st.tuples(st.integers(0, 1000), st.sampled_from([0, 0, 0, 1, 5]), st.sampled_from(PIECES)),
    max_size=3,
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(TEXTS), DAMAGE)
def test_a_damaged_file_is_laid_out_or_refused(
    text: str, damage: list[tuple[int, int, bytes]]
) -> None:
    data = text.encode()
    for at, cut, put in damage:
        at %= len(data)
        data = data[:at] + put + data[at + cut :]
    before, faults = attempt(data, "t.yaml", environment={"A": "a"})
    try:
        formatted = format_topology(data, "t.yaml")
    except TopologyError as refusal:
        refused = set(map(str, refusal.faults))
    else:
        refused = set()
        assert format_topology(formatted, "t.yaml") == formatted
        assert attempt(formatted, "t.yaml", environment={"A": "a"})[0] == before
    assert refused <= set(map(str, faults))


LINES = st.lists(
    st.tuples(
        st.integers(0, 80),
        st.sampled_from(["", "#", "# x", "#y", "# ${A}"]),
        st.sampled_from([None, 0, 1, 2, 3, 4, 6, 8]),
    ),
    max_size=12,
)


def commented(text: str, additions: list[tuple[int, str, int | None]]) -> str:
    """Add comments and blank lines to a text: on lines of their own, or at the end of lines."""
    lines = text.splitlines()
    for number, (at, comment, indent) in enumerate(additions):
        at %= len(lines)
        comment = f"{comment}{number}" if comment else ""
        if indent is not None:
            lines.insert(at, " " * indent + comment if comment else "")
        elif comment:
            lines[at] += f" {comment}"
    return "\n".join(lines) + "\n"


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(TEXTS), LINES)
def test_comments_wherever_they_stand_are_kept(
    text: str, additions: list[tuple[int, str, int | None]]
) -> None:
    changed = commented(text, additions)
    if attempt(changed, "t.yaml", environment={})[1] == []:
        formatted = check_formatted(changed)
        for number, (_, comment, _indent) in enumerate(additions):
            if comment and f"{comment}{number}\n" in changed:
                assert f"{comment}{number}\n" in formatted
