"""docs/cli.md says everything that `leveret --help` says, and nothing that is not so."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from leveret.cli import main
from leveret.cli.fields import PROPERTY_NAMES
from leveret.cli.messages import MESSAGE_FIELDS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
COMMANDS = sorted(main.commands)


def _section(command: str) -> str:
    match = re.search(rf"^## `leveret {command}`\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    assert match is not None, f"docs/cli.md has no section for leveret {command}"
    return match[1]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_is_documented(command: str) -> None:
    section = _section(command)
    for parameter in main.commands[command].params:
        if isinstance(parameter, click.Option):
            for name in (*parameter.opts, *parameter.secondary_opts):
                assert f"`{name}" in section, name


def test_no_command_or_option_is_documented_that_does_not_exist() -> None:
    assert sorted(re.findall(r"^## `leveret (\w+)`", PAGE, re.MULTILINE)) == COMMANDS
    for command in COMMANDS:
        known = {name for parameter in main.commands[command].params for name in parameter.opts}
        assert set(re.findall(r"(?<!\w)--\w[\w-]*", _section(command))) <= known


@pytest.mark.parametrize("command", COMMANDS)
def test_the_synopsis_names_every_argument(command: str) -> None:
    [synopsis] = re.findall(rf"^leveret {command} .*$", PAGE, re.MULTILINE)
    for parameter in main.commands[command].params:
        if isinstance(parameter, click.Argument):
            assert (parameter.metavar or (parameter.name or "").upper()) in synopsis


@pytest.mark.parametrize("name", [*MESSAGE_FIELDS, *PROPERTY_NAMES])
def test_every_field_and_property_of_a_message_is_documented(name: str) -> None:
    assert f"`{name}`" in _section("run")
