"""Files that include others: one topology, with every fault where it stands."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from leveret.config import load, loads
from leveret.config.files import MAX_FILES
from leveret.errors import TopologyError


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(**files: str) -> None:
    for name, text in files.items():
        path = Path(name.replace("__", "/") + ".yaml")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


def fault_texts(file: str = "main.yaml") -> list[str]:
    with pytest.raises(TopologyError) as caught:
        load(file)
    return [f"{fault.position}: {fault.message}" for fault in caught.value.faults]


def test_the_sections_of_all_files_are_one_topology() -> None:
    write(
        main="include: [common.yaml]\nqueues: [b]\nbindings: ['orders[#] -> b', 'orders[x] -> a']\n"
        "virtual_hosts: {t: {queues: [d]}}",
        common="exchanges: {orders: topic}\nqueues: [a]\nusers: {u: {password: x}}\n"
        "policies: {p: {pattern: a, definition: {expires: 1}}}\nvirtual_hosts: {t: {queues: [c]}}\n"
        "requests: {r: {routing_key: b}}\nsubscriptions: {s: {queue: b}}\n"
        "alerts: {l: {queue: b, ready: '> 1'}}\n"
        "expect: [{publish: {exchange: orders}, reaches: [b]}]",
    )
    topology = load("main.yaml")
    host = topology.virtual_hosts["/"]
    assert list(host.queues) == ["a", "b"]
    assert len(host.bindings) == 2
    assert list(host.policies) == ["p"]
    assert list(host.requests) == ["r"]
    assert list(host.subscriptions) == ["s"]
    assert list(host.alerts) == ["l"]
    assert list(topology.users) == ["u"]
    assert list(topology.virtual_hosts["t"].queues) == ["c", "d"]
    assert len(topology.expectations) == 1
    assert str(host.queues["a"].position) == "common.yaml:2:10"
    assert topology.file == "main.yaml"
    assert list(topology.sources) == ["main.yaml", "common.yaml"]
    assert topology.check() == []


def test_paths_are_relative_to_the_file_that_includes() -> None:
    write(
        main="include: [parts/one.yaml]\nqueues: [a]",
        parts__one="include: [two.yaml, ../three.yaml]\nqueues: [b]",
        parts__two="queues: [c]",
        three="queues: [d]",
    )
    assert list(load("main.yaml").virtual_hosts["/"].queues) == ["c", "d", "b", "a"]
    text = Path("main.yaml").read_text(encoding="utf-8")
    assert len(loads(text, "main.yaml").virtual_hosts["/"].queues) == 4


def test_a_file_that_is_included_twice_is_read_once() -> None:
    write(
        main="include: [one.yaml, two.yaml, ./common.yaml]\nqueues: [a]",
        one="include: [common.yaml]\nqueues: [b]",
        two="include: [common.yaml]\nqueues: [c]",
        common="queues: [d]\nexchanges: {x: fanout}\nbindings: [x -> d]",
    )
    assert list(load("main.yaml").virtual_hosts["/"].queues) == ["d", "b", "c", "a"]


def test_files_may_say_the_same() -> None:
    same = (
        "exchanges: {x: topic}\nqueues: {a: {ttl: 1h}}\nbindings: ['x[k] -> a']\n"
        "defaults: {queue: {max_length: 5}}\ncompatibility: '4.3'\n"
        "policies: {p: {pattern: a, definition: {expires: 1}}}\nusers: {u: {password: x}}\n"
        "requests: {r: {routing_key: a}}\nsubscriptions: {s: {queue: a, retry: 3}}\n"
        "alerts: {l: {queue: a, oldest: '> 1h'}}\n"
    )
    write(main="include: [other.yaml]\n" + same, other=same.replace("1h", "60m"))
    host = load("main.yaml").virtual_hosts["/"]
    assert len(host.bindings) == 1
    assert host.queues["a"].arguments == {"x-message-ttl": 3_600_000, "x-max-length": 5}


def test_files_that_differ_about_an_object_are_both_named() -> None:
    one = (
        "exchanges: {x: topic}\nqueues: {a: {ttl: 1h}}\ncompatibility: '4.3'\n"
        "defaults: {queue: {max_length: 5}}\n"
        "policies: {p: {pattern: a, definition: {expires: 1}}}\n"
        "operator_policies: {p: {pattern: a, definition: {expires: 1}}}\n"
        "users: {u: {password: x}}\nrequests: {r: {routing_key: a}}\n"
    )
    other = (
        "exchanges: {x: direct}\nqueues: {a: {ttl: 2h}}\ncompatibility: '4.2'\n"
        "defaults: {queue: {max_length: 6}}\n"
        "policies: {p: {pattern: a, definition: {expires: 2}}}\n"
        "operator_policies: {p: {pattern: b, definition: {expires: 1}}}\n"
        "users: {u: {password: y}}\nrequests: {r: {routing_key: a, timeout: 1s}}\n"
    )
    write(main="include: [other.yaml]\n" + one, other=other)
    differently = "is defined differently at other.yaml"
    assert fault_texts() == [
        f"main.yaml:2:13: exchange 'x' {differently}:1:13",
        f"main.yaml:3:10: queue 'a' {differently}:2:10",
        f"main.yaml:4:16: 'compatibility' {differently}:3:16",
        f"main.yaml:5:32: the default queue's key 'max_length' {differently}:4:32",
        f"main.yaml:6:12: policy 'p' {differently}:5:12",
        f"main.yaml:7:21: operator policy 'p' {differently}:6:21",
        f"main.yaml:8:9: user 'u' {differently}:7:9",
        f"main.yaml:9:12: request 'r' {differently}:8:12",
    ]


def test_faults_of_all_files_come_at_once() -> None:
    write(
        main="include: [broken.yaml, binary.yaml, empty.yaml]\nqueues: {a: {ttl: soon}}",
        broken="queues: [b\n",
        empty="",
    )
    Path("binary.yaml").write_bytes(b"\xff\x00")
    assert fault_texts() == [
        "binary.yaml:1:1: the byte 0xff here is not UTF-8",
        "broken.yaml:1:9: this bracket is neither closed nor goes on in line 2",
        "empty.yaml:1:1: nothing is declared in this file",
        "main.yaml:2:19: ttl wants a duration such as 30s; 'soon' is not a duration",
    ]


def test_a_fault_in_an_included_file_shows_its_line() -> None:
    write(main="include: [other.yaml]", other="queues: [a]\nbindings: [x -> a]")
    with pytest.raises(TopologyError) as caught:
        load("main.yaml")
    (fault,) = caught.value.faults
    assert fault.source_line == "bindings: [x -> a]"


def test_files_that_include_each_other_are_a_circle() -> None:
    write(main="include: [one.yaml]", one="include: [two.yaml]", two="include: [main.yaml]")
    assert fault_texts() == [
        "two.yaml:1:11: these files include each other:"
        " main.yaml → one.yaml → two.yaml → main.yaml",
    ]


def test_a_missing_file_is_named_with_the_nearest_there_is() -> None:
    write(main="include: [comon.yaml]\nqueues: [a]", common="queues: [b]")
    with pytest.raises(TopologyError) as caught:
        load("main.yaml")
    (fault,) = caught.value.faults
    assert fault.message == "the included file 'comon.yaml' does not exist"
    assert fault.remedy == "Did you mean 'common.yaml'?"


def test_what_would_never_end_is_no_file() -> None:
    os.mkfifo("pipe.yaml")
    write(main="include: [pipe.yaml, /dev/zero]\nqueues: [a]")
    assert fault_texts() == [
        "main.yaml:1:11: the included file 'pipe.yaml' cannot be read: it is not a regular file",
        "main.yaml:1:22: the included file '/dev/zero' cannot be read: it is not a regular file",
    ]


def test_many_files_are_a_mistake() -> None:
    for n in range(MAX_FILES + 1):
        write(**{f"f{n}": f"include: [f{n + 1}.yaml]\nqueues: [q{n}]"})
    texts = fault_texts("f0.yaml")
    assert any(f"more than {MAX_FILES} files are included" in text for text in texts)


def test_variables_name_files_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGE", "test")
    write(main="include: ['${STAGE}.yaml']\nqueues: [a]", test="queues: [b]")
    assert list(load("main.yaml").virtual_hosts["/"].queues) == ["b", "a"]


def test_an_item_that_is_no_text_is_reported_once() -> None:
    write(main="include: [[a], ~, {b: c}]\nqueues: [a]")
    assert len(fault_texts()) == 3
