"""`leveret check`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Invoke = Callable[..., Result]


def test_a_good_file_is_summed_up_in_a_line(invoke: Invoke) -> None:
    result = invoke("check", "shop.yaml")
    assert result.exit_code == 0
    assert result.stdout == "shop.yaml: ok, 5 exchanges, 4 queues, 5 bindings, 2 warnings\n"


def test_every_fault_of_every_file_is_reported_and_the_good_files_too(
    invoke: Invoke, folder: Path
) -> None:
    (folder / "a.yaml").write_text("exchanges: {a: tropic}\nqueus: [q]\n")
    (folder / "b.yaml").write_text("queues: [q]\nbindings: [x -> q]\n")
    result = invoke("check", "a.yaml", "shop.yaml", "b.yaml")
    assert result.exit_code == 1
    assert result.stdout == "shop.yaml: ok, 5 exchanges, 4 queues, 5 bindings, 2 warnings\n"
    assert "a.yaml:1:16: error: " in result.stderr
    assert "a.yaml:2:1: error: " in result.stderr
    assert "b.yaml:2:" in result.stderr


def test_a_fault_has_a_caret_and_says_what_to_do(invoke: Invoke, folder: Path) -> None:
    (folder / "a.yaml").write_text("exchanges: {a: tropic}\n")
    result = invoke("check", "a.yaml")
    place, source, caret, remedy = result.stderr.splitlines()
    assert place.startswith("a.yaml:1:16: error: ")
    assert source == "  exchanges: {a: tropic}"
    assert caret == "                 ^"
    assert "topic" in remedy


def test_faults_as_json_have_their_place_in_numbers(invoke: Invoke, folder: Path) -> None:
    (folder / "a.yaml").write_text("exchanges: {a: tropic}\n")
    result = invoke("check", "--json", "a.yaml")
    assert result.exit_code == 1
    [fault] = json.loads(result.stdout)
    assert list(fault)[:6] == ["file", "line", "column", "severity", "message", "remedy"]
    assert (fault["file"], fault["line"], fault["column"]) == ("a.yaml", 1, 16)


def test_no_finding_as_json_is_an_empty_list(invoke: Invoke, folder: Path) -> None:
    (folder / "a.yaml").write_text("queues: [a]\n")
    result = invoke("check", "a.yaml", "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, [])


@pytest.mark.parametrize("content", [b"", b"\n# nothing\n", b"\xff\xfe\x00", b"\x00", b"- [", b"5"])
def test_a_file_that_is_no_topology_is_a_finding_not_a_traceback(
    invoke: Invoke, folder: Path, content: bytes
) -> None:
    (folder / "bad.yaml").write_bytes(content)
    result = invoke("check", "bad.yaml")
    assert result.exit_code == 1
    assert result.stderr.startswith("bad.yaml:1:1: error: ") or "bad.yaml:" in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("check",), "Missing argument 'FILE...'"),
        (("check", "missing.yaml"), "'missing.yaml' does not exist"),
        (("check", "."), "'.' is a directory"),
        (("check", "--jason", "shop.yaml"), "No such option"),
        (("chek", "shop.yaml"), "No such command 'chek'"),
    ],
)
def test_a_command_that_makes_no_sense_is_status_2(
    invoke: Invoke, arguments: tuple[str, ...], complaint: str
) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert result.stdout == ""
