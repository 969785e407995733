"""Every folder under examples/real keeps what examples/real/README.md promises of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from layouts import check_layout

from leveret.cli import main
from leveret.config import load, loads
from leveret.config.draw_layout import lay_out
from leveret.config.draw_sketch import drawing_of
from leveret.config.importing import import_definitions

if TYPE_CHECKING:
    from leveret.config import Topology

REAL = Path(__file__).parents[2] / "examples" / "real"
FOLDERS = sorted(path for path in REAL.iterdir() if path.is_dir())
FILES = sorted(REAL.glob("*/*.yaml"))


def name_of(path: Path) -> str:
    return str(path.relative_to(REAL))


def page_of(folder: Path) -> str:
    return (folder / "README.md").read_text(encoding="utf-8")


def test_there_are_at_least_six_and_the_page_names_each() -> None:
    assert len(FOLDERS) >= 6
    listed = re.findall(r"^\| \[([\w-]+)\]\(\1/README\.md\)", page_of(REAL), re.MULTILINE)
    assert listed == [folder.name for folder in FOLDERS]


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_a_page_names_its_sources_and_shows_the_check_and_a_question(folder: Path) -> None:
    page = page_of(folder)
    assert re.search(r"\]\(https://[\w./-]+\)", page.partition("\n## ")[0]), "the documentation"
    assert f"$ leveret check examples/real/{folder.name}/" in page
    assert re.search(rf"^\$ leveret (explain|draw|export) examples/real/{folder.name}/", page, re.M)


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_an_example_has_expectations_for_several_routes(folder: Path) -> None:
    expected = [found for file in folder.glob("*.yaml") for found in load(file).expectations]
    assert len(expected) >= 3
    assert any(one.reaches for one in expected)


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_an_example_has_no_faults_and_its_page_counts_its_warnings(folder: Path) -> None:
    for file in folder.glob("*.yaml"):
        found = load(file).check()
        assert [str(finding) for finding in found if finding.severity == "error"] == []
        words = ["No", "One", "Two", "Three", "Four", "Five"][len(found)].lower()
        page = page_of(folder).lower()
        assert not found or re.search(rf"\b({words}|both|the) warnings?\b", page)


@pytest.mark.parametrize("file", sorted(REAL.glob("*/messages.jsonl")), ids=name_of)
def test_messages_are_all_taken(file: Path) -> None:
    topology = str(file.parent / "topology.yaml")
    result = CliRunner().invoke(main, ["run", topology, "--messages", str(file), "--json"])
    assert (result.exit_code, result.stderr) == (0, "")
    report = json.loads(result.stdout)
    assert report["refused"] == 0
    assert report["routed"] >= 5


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_an_example_draws_without_anything_on_anything_else(file: Path) -> None:
    topology = load(file)
    picture = lay_out(drawing_of(topology, topology.check()))
    check_layout(picture)
    assert picture.width <= 1800, "it fits on a screen"
    assert 1 / 3 <= picture.width / picture.height <= 5, "it is no ribbon"


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_an_example_comes_back_from_definitions_as_it_was(file: Path) -> None:
    topology = load(file)
    exported = json.dumps(topology.to_definitions())
    imported = import_definitions(exported, "exported.json")
    again: Topology = loads(imported.text, environment={})
    assert str(topology.diff(again)).startswith("no difference")
    assert str(again.diff(topology)).startswith("no difference")
    second = import_definitions(json.dumps(again.to_definitions()), "exported.json")
    assert second.text == imported.text
