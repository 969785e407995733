"""A corpus of broken files, one fault each, beside the exact text that leveret answers with.

`broken/NAME.yaml` is the file and `broken/NAME.txt` the answer: place, message, source line with a
caret, and what to do.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from leveret.config import loads
from leveret.config.nodes import compose
from leveret.config.source import Source
from leveret.errors import TopologyError

BROKEN = sorted((Path(__file__).parent / "broken").glob("*.yaml"))


def faults_of(file: Path) -> TopologyError:
    with pytest.raises(TopologyError) as caught:
        loads(file.read_bytes(), file.name, environment={})
    return caught.value


def test_the_corpus_is_there() -> None:
    assert len(BROKEN) >= 120


@pytest.mark.parametrize("file", BROKEN, ids=lambda file: file.stem)
def test_each_broken_file_gets_its_message(file: Path) -> None:
    expected = file.with_suffix(".txt").read_text(encoding="utf-8")
    assert f"{faults_of(file)}\n" == expected


@pytest.mark.parametrize("file", BROKEN, ids=lambda file: file.stem)
def test_each_message_is_one_fault_that_ends_with_what_to_do(file: Path) -> None:
    (fault,) = faults_of(file).faults
    assert fault.remedy.endswith((".", "?"))
    assert fault.message[:1] != ""
    assert not fault.message.endswith(".")


@pytest.mark.parametrize("file", BROKEN, ids=lambda file: file.stem)
def test_without_libyaml_the_same_files_are_refused(file: Path) -> None:
    refused = []
    for loader in (None, yaml.SafeLoader):
        source = Source(file.name, file.read_bytes().decode("utf-8", "replace"))
        try:
            compose(source, {}, loader)
        except TopologyError:
            refused.append(True)
        else:
            refused.append(bool(source.faults))
    assert refused[0] == refused[1]


def test_all_faults_of_a_file_come_at_once_in_the_order_of_the_file() -> None:
    with pytest.raises(TopologyError) as caught:
        loads(
            """\
colour: red
exchanges:
  orders: topik
queues:
  billing: {ttl: soon, max_lenght: 5}
  shipping: {dead_letter: {exchange: nowhere}}
bindings:
  - orders[a] -> biling
  - {source: order, destination: shipping}
  - orders[a b] -> billing
""",
            "t.yaml",
        )
    assert [(str(f.position), f.message) for f in caught.value.faults] == [
        ("t.yaml:1:1", "a topology has no key 'colour'"),
        ("t.yaml:3:11", "unknown exchange type 'topik'"),
        ("t.yaml:5:18", "ttl wants a duration such as 30s; 'soon' is not a duration"),
        ("t.yaml:5:24", "a queue has no key 'max_lenght'"),
        (
            "t.yaml:6:38",
            "dead_letter names the exchange 'nowhere', which does not exist",
        ),
        ("t.yaml:8:18", "queue 'biling' does not exist"),
        ("t.yaml:9:14", "exchange 'order' does not exist"),
        ("t.yaml:10:14", "expected ',' or ']' after the key 'a'"),
    ]


def test_a_faulty_object_still_counts_as_declared() -> None:
    with pytest.raises(TopologyError) as caught:
        loads(
            "exchanges: {orders: topik}\nqueues: {billing: {ttl: []}}\n"
            'bindings: ["orders[a] -> billing"]\n'
        )
    assert [fault.position.line for fault in caught.value.faults] == [1, 2]


def test_reading_stops_after_a_thousand_faults() -> None:
    with pytest.raises(TopologyError) as caught:
        loads("queues:\n" + "".join(f"  q{n}: {{colour: red}}\n" for n in range(5000)))
    assert len(caught.value.faults) == 1001
    assert caught.value.faults[-1].message == "stopped reading here, after 1000 errors"


def test_a_long_line_is_clipped_and_left_out_where_the_fault_is_far_to_the_right() -> None:
    padding = " " * 300
    with pytest.raises(TopologyError) as caught:
        loads(f"queues: {{a: {{colour: red}},{padding}b: {{colour: red}}}}")
    near, far = caught.value.faults
    assert near.source_line.endswith("…")
    assert len(near.source_line) == 161
    assert far.source_line == ""
    assert far.position.column > 300


def test_what_a_message_quotes_cannot_drive_a_terminal() -> None:
    with pytest.raises(TopologyError) as caught:
        loads('queues: {a: {"\\e[31mred\\nline": 1}}')
    assert "'\\x1b[31mred\\nline'" in str(caught.value)
    assert "\x1b" not in str(caught.value)
