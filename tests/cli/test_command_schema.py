"""`leveret schema`, as typed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from click.testing import CliRunner

from leveret import config
from leveret.cli import main

if TYPE_CHECKING:
    from pathlib import Path


def test_the_schema_goes_to_standard_output() -> None:
    result = CliRunner().invoke(main, ["schema"])
    assert result.exit_code == 0
    assert json.loads(result.stdout) == config.schema()


def test_the_schema_goes_to_a_file(tmp_path: Path) -> None:
    file = tmp_path / "topology.schema.json"
    result = CliRunner().invoke(main, ["schema", "-o", str(file)])
    assert (result.exit_code, result.stdout) == (0, "")
    assert json.loads(file.read_text(encoding="utf-8")) == config.schema()
