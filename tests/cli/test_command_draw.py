"""`leveret draw`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Invoke = Callable[..., Result]


def test_a_topology_is_drawn_in_mermaid_by_default(invoke: Invoke) -> None:
    result = invoke("draw", "shop.yaml")
    assert result.exit_code == 0
    assert result.stdout.startswith("flowchart LR\n")
    assert "order.created.#35;" in result.stdout


@pytest.mark.parametrize(
    ("name", "begin"),
    [
        ("t.mmd", b"flowchart LR"),
        ("t.mermaid", b"flowchart LR"),
        ("t.dot", b"digraph topology {"),
        ("t.gv", b"digraph topology {"),
        ("t.svg", b"<svg "),
        ("T.PNG", b"\x89PNG"),
    ],
)
def test_the_name_of_the_output_says_the_format(
    invoke: Invoke, folder: Path, name: str, begin: bytes
) -> None:
    result = invoke("draw", "shop.yaml", "-o", name)
    assert (result.exit_code, result.output) == (0, "")
    assert (folder / name).read_bytes().startswith(begin)


def test_a_format_can_be_named(invoke: Invoke) -> None:
    assert invoke("draw", "shop.yaml", "--format", "dot").stdout.startswith("digraph")
    assert invoke("draw", "shop.yaml", "-f", "png").stdout_bytes.startswith(b"\x89PNG")


def test_a_name_that_says_no_format_is_status_2(invoke: Invoke) -> None:
    result = invoke("draw", "shop.yaml", "-o", "picture.jpg")
    assert result.exit_code == 2
    assert "which format is 'picture.jpg'?" in result.stderr


def test_a_route_is_lit(invoke: Invoke) -> None:
    result = invoke("draw", "shop.yaml", "--explain", "orders", "order.1.paid")
    assert result.exit_code == 0
    assert "%% orders[order.1.paid] reaches billing" in result.stdout
    assert ":::lit" in result.stdout


def test_a_route_from_an_exchange_that_does_not_exist_is_status_1(invoke: Invoke) -> None:
    result = invoke("draw", "shop.yaml", "--explain", "nowhere", "k")
    assert result.exit_code == 1
    assert "no exchange 'nowhere'" in result.stderr


def test_definitions_are_drawn_too(invoke: Invoke) -> None:
    invoke("export", "shop.yaml", "-o", "definitions.json")
    assert invoke("draw", "definitions.json").exit_code == 0


def test_what_is_too_large_is_said_kindly_and_can_be_grouped(invoke: Invoke, folder: Path) -> None:
    bindings = "".join(f"  - amq.topic[k] -> q{number}\n" for number in range(600))
    queues = ", ".join(f"q{number}" for number in range(600))
    (folder / "large.yaml").write_text(f"queues: [{queues}]\nbindings:\n{bindings}")
    result = invoke("draw", "large.yaml")
    assert result.exit_code == 1
    assert "601 exchanges and queues with 600 bindings are no picture" in result.stderr
    assert "600 bindings" in invoke("draw", "large.yaml", "--group").stdout
    assert invoke("draw", "large.yaml", "--only", "q7", "--only", "q8").exit_code == 0


def test_a_missing_extra_is_named_with_what_to_do(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "graphlay", None)
    result = invoke("draw", "shop.yaml", "-f", "svg")
    assert result.exit_code == 2
    assert "svg needs graphlay" in result.stderr
    assert "leveret[draw]" in result.stderr
    assert invoke("draw", "shop.yaml").exit_code == 0
