"""docs/cli.md says everything that `leveret --help` says, and nothing that is not so."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from leveret.cli import main
from leveret.cli.fields import PROPERTY_NAMES
from leveret.cli.messages import MESSAGE_FIELDS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")


def _leaves(group: click.Group, prefix: str = "") -> dict[str, click.Command]:
    """Return name -> command; a command of a group has the group's name before its own."""
    leaves: dict[str, click.Command] = {}
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        if isinstance(command, click.Group):
            leaves |= _leaves(command, f"{prefix}{name} ")
        else:
            leaves[prefix + name] = command
    return leaves


LEAVES = _leaves(main)
COMMANDS = sorted(LEAVES)


def _section(command: str) -> str:
    match = re.search(rf"^## `leveret {command}`\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    assert match is not None, f"docs/cli.md has no section for leveret {command}"
    return match[1]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_is_documented(command: str) -> None:
    section = _section(command)
    for parameter in LEAVES[command].params:
        if isinstance(parameter, click.Option):
            for name in (*parameter.opts, *parameter.secondary_opts):
                assert f"`{name}" in section, name


def test_no_command_or_option_is_documented_that_does_not_exist() -> None:
    assert sorted(re.findall(r"^## `leveret ([\w ]+)`", PAGE, re.MULTILINE)) == COMMANDS
    for command in COMMANDS:
        known = {name for parameter in LEAVES[command].params for name in parameter.opts}
        assert set(re.findall(r"(?<!\w)--\w[\w-]*", _section(command))) <= known


@pytest.mark.parametrize("command", COMMANDS)
def test_the_synopsis_names_every_argument(command: str) -> None:
    [synopsis] = re.findall(rf"^leveret {command} .*$", PAGE, re.MULTILINE)
    for parameter in LEAVES[command].params:
        if isinstance(parameter, click.Argument):
            assert (parameter.metavar or (parameter.name or "").upper()) in synopsis


@pytest.mark.parametrize("name", [*MESSAGE_FIELDS, *PROPERTY_NAMES])
def test_every_field_and_property_of_a_message_is_documented(name: str) -> None:
    assert f"`{name}`" in _section("run")


def test_the_json_shapes_are_those_that_the_command_prints(tmp_path: Path) -> None:
    topology, messages = tmp_path / "t.yaml", tmp_path / "m.jsonl"
    topology.write_text("queues: [q]\n", encoding="utf-8")
    messages.write_text('{"exchange": "x"}\n{"exchange": ""}\n', encoding="utf-8")
    arguments = ["run", str(topology), "--messages", str(messages), "--json", "--trace"]
    printed = json.loads(CliRunner().invoke(main, arguments).stdout)
    fault, report = map(
        json.loads, re.findall(r"^```json\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    )
    assert list(fault) == list(printed["faults"][0])
    assert list(report) == list(printed)
    assert list(report["queues"][0]) == list(printed["queues"][0])
    assert list(report["unroutable_keys"][0]) == list(printed["unroutable_keys"][0])
    route = PAGE[PAGE.index("A route (`leveret explain --json`)") :]
    assert set(re.findall(r"`([a-z_]+)`", route)) >= set(printed["traces"][0]) - {"line"}
