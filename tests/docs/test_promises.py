"""What the pages say about the repository is so: links, layers, dependencies, commands."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_within_the_repository_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_the_map_shows_the_layers_that_the_import_linter_checks() -> None:
    [layers] = [
        contract["layers"]
        for contract in PYPROJECT["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    ]
    drawn = re.search(
        r"## Imports go one way\n\n```\n(.*?)```", _read("ARCHITECTURE.md"), re.DOTALL
    )
    assert drawn is not None
    assert drawn[1].splitlines() == [layer.replace("leveret.", "") for layer in layers]


def test_each_dependency_has_its_line_and_no_other_has_one() -> None:
    groups = [PYPROJECT["project"]["dependencies"], *PYPROJECT["dependency-groups"].values()]
    declared = {re.split(r"[<>=!~\[ ;]", entry)[0] for group in groups for entry in group}
    described = set(re.findall(r"^\| \[([\w-]+)\]", _read("docs/dependencies.md"), re.MULTILINE))
    # make check installs pyright where it can; nothing depends on it
    assert described == declared | {"pyright"}


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_every_make_target_that_a_page_names_exists(page: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", _read("Makefile"), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z]+)", _read(page), re.MULTILINE)) <= targets
