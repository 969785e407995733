"""What leveret exports RabbitMQ takes, and what RabbitMQ exports then is no different.

Every example is imported into one node, its virtual hosts under names of their own, and comes back
by `rabbitmqctl export_definitions`.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from leveret.config import load, loads
from leveret.config.anyfile import loads_any
from leveret.config.definitions import SECTIONS
from leveret.config.importing import import_definitions

if TYPE_CHECKING:
    from judge.fixtures import Judge

    from leveret.config import Topology

pytest_plugins = ["judge.fixtures"]

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = sorted(EXAMPLES.glob("**/topology.yaml"))
PLUGINS = ("consistent_hash_exchange", "random_exchange", "federation")
#: What belongs to the whole broker, and cannot be kept apart by virtual host.
WHOLE = ("users", "global_parameters")

Sections = dict[str, list[dict[str, Any]]]


def prefix_of(file: Path) -> str:
    return f"{file.parent.name}: "


def sections_of(topology: Topology, prefix: str) -> Sections:
    """Return a topology's definitions, with every virtual host under another name."""
    definitions = topology.to_definitions()
    sections: Sections = {name: definitions.get(name, []) for name in SECTIONS}
    for name, items in sections.items():
        key = "name" if name == "vhosts" else "vhost"
        for item in items if name not in WHOLE else ():
            item[key] = prefix + item[key]
    sections["global_parameters"] = []
    return sections


def own_sections(exported: dict[str, Any], wanted: Topology, prefix: str) -> Sections:
    """Return of all that the node exported what came from one topology, under its own names."""
    sections: Sections = {}
    for name in SECTIONS:
        key = "name" if name == "vhosts" else "vhost"
        items = exported.get(name, []) if name not in WHOLE else []
        sections[name] = [
            item | {key: item[key].removeprefix(prefix)}
            for item in items
            if item[key].startswith(prefix)
        ]
    sections["users"] = [user for user in exported["users"] if user["name"] in wanted.users]
    return sections


@pytest.fixture(scope="session")
def exported(judge: Judge) -> dict[str, Any]:
    """Return what the node exports once it has imported every example."""
    if judge.node is None:
        pytest.skip("only a private node can be given other plugins and definitions")
    judge.node.enable_plugins(*(f"rabbitmq_{name}" for name in PLUGINS))
    together: Sections = {name: [] for name in SECTIONS}
    for file in FILES:
        for name, items in sections_of(load(file), prefix_of(file)).items():
            together[name] += items
    imported, written = judge.node.home / "imported.json", judge.node.home / "exported.json"
    imported.write_text(json.dumps(together), encoding="utf-8")
    if judge.node.user:
        shutil.chown(imported, judge.node.user)
    judge.node.ctl("import_definitions", str(imported))
    judge.node.ctl("export_definitions", str(written))
    found: dict[str, Any] = json.loads(written.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_an_example_comes_back_from_rabbitmq_as_it_was(
    exported: dict[str, Any], file: Path
) -> None:
    wanted = load(file)
    sections = own_sections(exported, wanted, prefix_of(file))
    text = json.dumps({"rabbit_version": exported["rabbit_version"], **sections})
    for present in (loads_any(text), loads(import_definitions(text).text, environment={})):
        assert str(wanted.diff(present)).startswith("no difference")
        assert str(present.diff(wanted)).startswith("no difference")
