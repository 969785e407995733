"""Each script in scripts/ goes the same way with leveret as with RabbitMQ 3.10.

A script is a heading, `## S1 S2: what it is about`, and steps as a failing random conversation
prints them; a difference once found is kept there.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from judge.steps import parse, render

if TYPE_CHECKING:
    from judge.fixtures import Judge

pytest_plugins = ["judge.fixtures"]


def scripts(but: str = "") -> list[tuple[str, str]]:
    """Return heading and steps of every script, `but` those of one file.

    Where times run out on RabbitMQ, two clients are too slow for them on a loaded machine.
    """
    found = []
    for path in sorted((Path(__file__).parent / "scripts").glob("*.txt")):
        if path.stem == but:
            continue
        for section in path.read_text().split("## ")[1:]:
            heading, _, steps = section.partition("\n")
            found.append((heading, steps))
    return found


@pytest.mark.parametrize("script", [pytest.param(s, id=heading) for heading, s in scripts()])
def test_a_script_goes_the_same_way(judge: Judge, script: str) -> None:
    judge.compare(script)


@pytest.mark.parametrize("script", [pytest.param(s, id=h) for h, s in scripts(but="timing")])
def test_a_script_goes_the_same_way_over_the_wire(wire_judge: Judge, script: str) -> None:
    wire_judge.compare(script)


@pytest.mark.parametrize("script", [pytest.param(s, id=heading) for heading, s in scripts()])
def test_a_script_is_read_as_it_is_written(script: str) -> None:
    assert parse(render(parse(script))) == parse(script)
