"""What `leveret check` finds, in each form, for each version of RabbitMQ."""

from __future__ import annotations

import io
import json
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from leveret.cli.check import PROFILES
from leveret.cli.findings import sarif_log
from leveret.cli.waiting import Waiting
from leveret.config.findings import RULES
from leveret.config.model import COMPATIBILITIES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Invoke = Callable[..., Result]

MIXED = """\
exchanges: {orders: topic}
queues:
  billing: {durable: false}
  shipping: {ttl: soon}
bindings:
  - "orders[order.#] -> billing"
  - orders[order.paid] -> billing
"""


@pytest.fixture
def mixed(folder: Path) -> Path:
    (folder / "mixed.yaml").write_text(MIXED)
    return folder


def test_errors_and_warnings_come_together_sorted_by_place(invoke: Invoke, mixed: Path) -> None:
    result = invoke("check", "mixed.yaml")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        "mixed.yaml:3:3: warning: queue 'billing' is transient and not exclusive, which RabbitMQ"
        " 4.3 refuses [L11]",
        "    billing: {durable: false}",
        "    ^",
        "  Make it durable, with 'expires' if it should go away; or exclusive.",
        "mixed.yaml:4:19: error: ttl wants a duration such as 30s; 'soon' is not a duration [E01]",
        "    shipping: {ttl: soon}",
        "                    ^",
        "  Write a duration such as 500ms, 30s, 5m, 1h or 2d.",
        "mixed.yaml:7:5: warning: the binding 'orders[order.paid] -> billing' is covered by"
        " 'orders[order.#] -> billing' in line 6 [L03]",
        "    - orders[order.paid] -> billing",
        "      ^",
        "  Remove it: what it takes arrives without it.",
    ]


def test_warnings_alone_are_status_0_and_1_if_strict(invoke: Invoke, folder: Path) -> None:
    (folder / "w.yaml").write_text("queues: {a: {durable: false}}\n")
    result = invoke("check", "w.yaml")
    assert result.exit_code == 0
    assert result.stdout == "w.yaml: ok, 0 exchanges, 1 queue, 0 bindings, 1 warning\n"
    assert "[L11]" in result.stderr
    assert invoke("check", "w.yaml", "--strict").exit_code == 1


def test_notes_are_shown_on_request_and_never_fail_a_check(invoke: Invoke, folder: Path) -> None:
    (folder / "n.yaml").write_text("queues: [a]\n")
    assert "note" not in invoke("check", "n.yaml").output
    result = invoke("check", "n.yaml", "--all", "--strict")
    assert result.exit_code == 0
    assert "note: nothing limits queue 'a'" in result.stderr
    assert result.stdout.endswith("1 note\n")


def test_a_later_version_may_refuse_what_this_one_takes(invoke: Invoke, folder: Path) -> None:
    (folder / "w.yaml").write_text("queues: {a: {durable: false}}\n")
    result = invoke("check", "w.yaml", "--profile", "4.3")
    assert result.exit_code == 1
    assert "error: RabbitMQ 4.3 refuses a transient queue that is not exclusive" in result.stderr
    assert invoke("check", "w.yaml", "--profile", "3.13").exit_code == 0
    assert invoke("check", "w.yaml", "--profile", "5.0").exit_code == 2


def test_every_version_that_can_be_emulated_is_a_profile() -> None:
    assert PROFILES == COMPATIBILITIES


def test_expectations_are_tried_and_failures_show_the_route(invoke: Invoke, folder: Path) -> None:
    (folder / "e.yaml").write_text(
        "exchanges: {x: direct}\nqueues: [a]\nbindings: ['x[k] -> a']\n"
        "expect:\n  - publish: {exchange: x, routing_key: j}\n    reaches: [a]\n"
    )
    result = invoke("check", "e.yaml")
    assert result.exit_code == 1
    assert "e.yaml:5:5: error: a message to exchange 'x' with key 'j'" in result.stderr
    assert "    └─ ✘ 'k' ─▶ queue 'a': the routing key is 'j'" in result.stderr
    (folder / "e.yaml").write_text((folder / "e.yaml").read_text().replace("key: j", "key: k"))
    result = invoke("check", "e.yaml")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "e.yaml: ok, 1 exchange, 1 queue, 1 binding, 1 expectation\n"


def test_included_files_are_checked_too(invoke: Invoke, folder: Path) -> None:
    (folder / "main.yaml").write_text("include: [part.yaml]\nqueues: [a]\n")
    (folder / "part.yaml").write_text("queues: {b: {durable: false}}\n")
    result = invoke("check", "main.yaml")
    assert "part.yaml:1:10: warning" in result.stderr


def test_json_has_the_code_and_all_else(invoke: Invoke, mixed: Path) -> None:
    result = invoke("check", "mixed.yaml", "--format", "json")
    assert result.exit_code == 1
    assert result.stderr == ""
    found = json.loads(result.stdout)
    assert [one["code"] for one in found] == ["L11", "E01", "L03"]
    assert found[0] == {
        "file": "mixed.yaml",
        "line": 3,
        "column": 3,
        "severity": "warning",
        "message": "queue 'billing' is transient and not exclusive, which RabbitMQ 4.3 refuses",
        "remedy": "Make it durable, with 'expires' if it should go away; or exclusive.",
        "code": "L11",
        "name": "transient-queue",
        "source_line": "  billing: {durable: false}",
        "details": "",
    }


def test_github_gets_a_remark_for_each_line(invoke: Invoke, folder: Path) -> None:
    (folder / "a,b:c.yaml").write_text("queues: {'100%': {durable: false}}\n")
    result = invoke("check", "a,b:c.yaml", "--format", "github", "--all")
    lines = result.stdout.splitlines()
    assert lines[1] == (
        "::warning file=a%2Cb%3Ac.yaml,line=1,col=10,title=L11 transient-queue::queue '100%25' is"
        " transient and not exclusive, which RabbitMQ 4.3 refuses%0AMake it durable, with"
        " 'expires' if it should go away; or exclusive."
    )
    assert lines[0].startswith("::notice file=")


def _keys(value: dict[str, Any], required: set[str], optional: set[str] | None = None) -> None:
    assert required <= value.keys() <= required | (optional or set())


def test_sarif_has_the_structure_of_its_standard(invoke: Invoke, mixed: Path) -> None:
    """SARIF 2.1.0, sections 3.13 to 3.30: the properties used are of the types they must be."""
    result = invoke("check", "mixed.yaml", "--format", "sarif", "--all")
    log = json.loads(result.stdout)
    _keys(log, {"$schema", "version", "runs"})
    assert log["version"] == "2.1.0"
    [run] = log["runs"]
    _keys(run, {"tool", "columnKind", "results"})
    assert run["columnKind"] in ("utf16CodeUnits", "unicodeCodePoints")
    driver = run["tool"]["driver"]
    _keys(driver, {"name", "version", "rules"})
    rules = driver["rules"]
    assert [rule["id"] for rule in rules] == list(RULES)
    for rule in rules:
        _keys(rule, {"id", "name", "shortDescription", "defaultConfiguration"})
        assert rule["shortDescription"]["text"]
        assert rule["defaultConfiguration"]["level"] in ("none", "note", "warning", "error")
    assert run["results"]
    for one in run["results"]:
        _keys(one, {"ruleId", "ruleIndex", "level", "message", "locations"})
        assert rules[one["ruleIndex"]]["id"] == one["ruleId"]
        assert one["level"] in ("note", "warning", "error")
        assert isinstance(one["message"]["text"], str)
        [location] = one["locations"]
        physical = location["physicalLocation"]
        _keys(physical, {"artifactLocation", "region"})
        assert physical["artifactLocation"]["uri"] == "mixed.yaml"
        region = physical["region"]
        _keys(region, {"startLine", "startColumn"}, {"snippet"})
        assert region["startLine"] >= 1
        assert region["startColumn"] >= 1
        assert region["snippet"]["text"] == MIXED.splitlines()[region["startLine"] - 1]


def test_sarif_of_no_finding_is_a_run_without_results(invoke: Invoke, folder: Path) -> None:
    (folder / "a b.yaml").write_text("queues: [a]\n")
    log = json.loads(invoke("check", "a b.yaml", "--format", "sarif").stdout)
    assert log["runs"][0]["results"] == []
    assert log == sarif_log([])
    log = json.loads(invoke("check", "a b.yaml", "--format", "sarif", "--all").stdout)
    location = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert location["artifactLocation"]["uri"] == "a%20b.yaml"


class Terminal(io.StringIO):
    """A terminal that remembers what was written to it."""

    def isatty(self) -> bool:
        return True


def test_who_waits_longer_sees_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm-256color")
    deadline = time.monotonic() + 20
    with Waiting("checking large.yaml", patience_s=0.0) as waiting:
        while "checking large.yaml" not in terminal.getvalue() and time.monotonic() < deadline:
            waiting.tell(0.5)
    assert "checking large.yaml" in terminal.getvalue()


def test_what_does_not_say_how_far_it_is_has_a_bar_too(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm-256color")
    deadline = time.monotonic() + 20
    with Waiting("comparing", patience_s=0.0):
        while "comparing" not in terminal.getvalue() and time.monotonic() < deadline:
            pass
    assert "comparing" in terminal.getvalue()
    assert "%" not in terminal.getvalue()


def test_who_waits_no_second_sees_none(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Waiting("checking small.yaml", patience_s=60.0) as waiting:
        waiting.tell(0.5)
    assert terminal.getvalue() == ""


def test_a_pipe_sees_none(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = io.StringIO()
    monkeypatch.setattr(sys, "stderr", pipe)
    with Waiting("checking", patience_s=0.0) as waiting:
        waiting.tell(1.0)
    assert pipe.getvalue() == ""


def test_progress_is_told_from_0_to_1(folder: Path) -> None:
    from leveret.config.loader import check_file

    told: list[float] = []
    lines = "".join(f"  q{n}: {{}}\n" for n in range(5000))
    (folder / "large.yaml").write_text(f"queues:\n{lines}")
    check_file(folder / "large.yaml", on_progress=told.append)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1.0)
    assert len(told) > 10
