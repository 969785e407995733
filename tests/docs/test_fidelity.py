"""docs/fidelity.md is what docs/fidelity.py makes of the tests, and leaves no statement open."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def _load() -> Any:
    path = ROOT / "docs" / "fidelity.py"
    spec = importlib.util.spec_from_file_location("fidelity_page", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FIDELITY = _load()
DATA = FIDELITY.read()
FOUND = FIDELITY.proofs()


def test_the_page_is_not_stale() -> None:
    made = FIDELITY.page(DATA, FOUND)
    assert FIDELITY.PAGE.read_text(encoding="utf-8") == made, "run: python docs/fidelity.py"


def test_all_statements_are_listed_in_order_once() -> None:
    numbers = [f"S{number}" for number in range(1, 134)]
    numbers.insert(numbers.index("S8") + 1, "S8b")
    assert list(DATA.statements) == numbers
    assert sum(len(section) for section in DATA.sections.values()) == len(numbers)


@pytest.mark.parametrize("key", DATA.statements)
def test_every_statement_has_a_test_or_a_reason(key: str) -> None:
    proof = FOUND.get(key)
    proven = proof is not None and (proof.in_process or proof.wire or proof.compared)
    assert proven or key in DATA.reasons, f"no test names {key}, and fidelity.toml says not why"


def test_every_id_that_a_test_names_exists() -> None:
    assert set(FOUND) - set(DATA.statements) == set()


def test_every_other_entry_is_about_a_statement() -> None:
    named = [entry.statement for entry in (*DATA.differences, *DATA.departures)]
    assert set(named) | set(DATA.reasons) <= set(DATA.statements)


def test_ids_are_found_in_names_docstrings_and_tables_with_their_profiles() -> None:
    source = '''\
TABLE = [("S3 one", 1), ("S4 two", 2)]

def test_s1_name(broker): ...

def test_docstring(old_broker):
    """S2 is here, S2x is not."""

@pytest.mark.parametrize("profile", ["4.2", "4.3"])
@pytest.mark.parametrize("case", TABLE)
def test_table(profile, case): ...

def test_s5_s6_pure(): ...
'''
    assert FIDELITY.tests_in(source) == {
        "S1": {"3.10", "4.2"},
        "S2": {"3.10"},
        "S3": {"4.2", "4.3"},
        "S4": {"4.2", "4.3"},
        "S5": {"any"},
        "S6": {"any"},
    }
