"""The topologies that people see first are laid out as `leveret fmt` does it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from leveret.config import format_topology
from leveret.config.format_layout import SECTIONS_IN_ORDER

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", "docs/topology.md"]
EXAMPLES = sorted(ROOT.glob("examples/**/*.yaml"))


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: str(file.relative_to(ROOT)))
def test_an_example_is_laid_out(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert format_topology(text, str(file)) == text


@pytest.mark.parametrize("page", PAGES)
def test_a_topology_on_a_page_is_laid_out(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```yaml.*?\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert blocks
    for block in blocks:
        assert format_topology(block, page) == block


def test_sections_are_documented_in_the_order_in_which_they_are_written() -> None:
    page = (ROOT / "docs" / "topology.md").read_text(encoding="utf-8")
    table = page.partition("| Key of a topology |")[2].partition("\n\n")[0]
    keys = [
        key for row in table.splitlines()[2:] for key in re.findall(r"`(\w+)`", row.split("|")[1])
    ]
    assert keys == list(SECTIONS_IN_ORDER)
