"""What docs/testing.md shows is so."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from leveret.testing import Amqp, Settings
from leveret.testing.breaking import Breaking

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def test_the_tests_on_the_page_pass(pytester: pytest.Pytester) -> None:
    for _, name, text in BLOCKS:
        if name:
            (pytester.path / name).write_text(text, encoding="utf-8")
    result = pytester.runpytest_subprocess("--strict-markers", "--leveret-profiles=4.2")
    result.assert_outcomes(passed=4)


def test_the_program_on_the_page_prints_what_it_says(tmp_path: Path) -> None:
    programs = [text for language, name, text in BLOCKS if language == "python" and not name]
    [output] = [text for language, _, text in BLOCKS if language == "text"]
    [program] = programs
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout == output


def test_every_fault_is_on_the_page() -> None:
    faults = [name for name in vars(Breaking) if not name.startswith("_")]
    faults += ["restart", "stop", "start"]
    for name in faults:
        assert f"`amqp.{name}(" in PAGE, name


def test_every_setting_is_on_the_page() -> None:
    for name in inspect.signature(Settings).parameters:
        assert f"`{name}`" in PAGE, name
    for name in re.findall(r"amqp\.(\w+)", PAGE):
        assert hasattr(Amqp, name) or name in ("clock", "faults"), name
