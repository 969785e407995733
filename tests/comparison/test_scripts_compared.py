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


def scripts() -> list[tuple[str, str]]:
    """Return heading and steps of every script."""
    found = []
    for path in sorted((Path(__file__).parent / "scripts").glob("*.txt")):
        for section in path.read_text().split("## ")[1:]:
            heading, _, steps = section.partition("\n")
            found.append((heading, steps))
    return found


@pytest.mark.parametrize("script", [pytest.param(s, id=heading) for heading, s in scripts()])
def test_a_script_goes_the_same_way(judge: Judge, script: str) -> None:
    judge.compare(script)


@pytest.mark.parametrize("script", [pytest.param(s, id=heading) for heading, s in scripts()])
def test_a_script_is_read_as_it_is_written(script: str) -> None:
    assert parse(render(parse(script))) == parse(script)
