"""docs/topology.md names every key of the format and every code of the checker."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from leveret.config import entries, loads, structure
from leveret.config.findings import RULES
from leveret.config.key_help import key_help

PAGE = (Path(__file__).parents[2] / "docs" / "topology.md").read_text(encoding="utf-8")

TABLES = {
    "topology": entries.TopologyEntry,
    "exchange": entries.ExchangeEntry,
    "queue": entries.QueueEntry,
    "schema": entries.SchemaEntry,
    "binding": entries.BindingEntry,
    "policy": entries.PolicyEntry,
    "request": entries.RequestEntry,
    "subscription": entries.SubscriptionEntry,
    "alert": entries.AlertEntry,
    "user": entries.UserEntry,
    "expectation": entries.ExpectEntry,
}
INNER = {
    "queue": entries.DeadLetterEntry,
    "subscription": entries.RetryEntry,
    "user": entries.PermissionEntry,
    "expectation": entries.PublishEntry,
}


def keys_of(entry: type[entries.Entry]) -> set[str]:
    return set(structure.keys_of(entry))


def table(name: str) -> str:
    found = re.search(rf"^\| Key of an? {name} \|.*\n\|.*\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    assert found is not None, f"docs/topology.md has no table of the keys of a {name}"
    return found[1]


@pytest.mark.parametrize("name", TABLES)
def test_every_key_is_documented_and_no_other(name: str) -> None:
    first_cells = [row.split("|")[1] for row in table(name).splitlines()]
    documented = {key for cell in first_cells for key in re.findall(r"`(\w+)`", cell)}
    assert documented == keys_of(TABLES[name])


@pytest.mark.parametrize("name", TABLES)
def test_editors_show_the_words_of_the_page(name: str) -> None:
    rows = [row.strip("| ").split(" | ", 1) for row in table(name).splitlines()]
    for keys, meaning in rows:
        for key in re.findall(r"`(\w+)`", keys):
            assert key_help(TABLES[name], key) == meaning


@pytest.mark.parametrize("name", INNER)
def test_every_key_within_a_value_is_documented(name: str) -> None:
    assert keys_of(INNER[name]) <= set(re.findall(r"`(\w+)`", table(name)))
    if name == "expectation":
        assert keys_of(entries.ExpiresEntry) <= set(re.findall(r"`(\w+)`", table(name)))


def test_every_code_is_documented_as_it_is() -> None:
    rows = re.findall(r"^\| \[(\w+)\]\(#(\w+)\) \| ([\w-]+) \| (\w+) \|$", PAGE, re.MULTILINE)
    assert rows == [
        (rule.code, rule.code.lower(), rule.name, rule.severity) for rule in RULES.values()
    ]
    assert re.findall(r"^### ([EL]\d\d)$", PAGE, re.MULTILINE) == list(RULES)


def test_the_example_of_the_page_has_the_warnings_that_the_page_explains() -> None:
    [example] = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert loads(example, environment={}).check() == []
