"""The package list, the folders at the root and the links to them say the same."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
CARD_FOLDERS = ("config", "exchanges", "queues", "routing")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_each_folder_of_the_design_card_stands_at_the_root_and_is_linked() -> None:
    for name in CARD_FOLDERS:
        assert (ROOT / name / "__init__.py").is_file()
        link = ROOT / "src" / "leveret" / name
        assert link.is_symlink()
        assert link.resolve() == ROOT / name


def test_each_folder_installs_as_a_package_of_leveret() -> None:
    mapping = PYPROJECT["tool"]["setuptools"]["package-dir"]
    assert mapping == {"leveret": "src/leveret"} | {
        f"leveret.{name}": name for name in CARD_FOLDERS
    }


def test_every_folder_with_code_is_in_the_package_list() -> None:
    source = ROOT / "src" / "leveret"
    found = {"leveret"} | {f"leveret.{name}" for name in CARD_FOLDERS}
    for init in source.rglob("__init__.py"):
        found.add(".".join(("leveret", *init.parent.relative_to(source).parts)).removesuffix("."))
    for name in CARD_FOLDERS:
        for init in (ROOT / name).rglob("__init__.py"):
            found.add(".".join(("leveret", name, *init.parent.relative_to(ROOT / name).parts)))
    assert set(PYPROJECT["tool"]["setuptools"]["packages"]) == found


def test_every_grammar_is_shipped() -> None:
    data = PYPROJECT["tool"]["setuptools"]["package-data"]
    for grammar in (path for name in CARD_FOLDERS for path in (ROOT / name).rglob("*.lark")):
        package = ".".join(("leveret", *grammar.parent.relative_to(ROOT).parts))
        assert "*.lark" in data[package]
