"""What README.md and the examples' pages show is run, and prints what they say it prints.

A fenced block `console` is a session: each `$ command` is run and must print what stands below it
(nothing shown means that only its exit status counts). A `python` block is run; a `text` block
right after it is what it must print. A block with a file name (`yaml shop.yaml`) is that file.
Blocks `sh` install things or run make: they are not run.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from attrs import frozen

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "docs" / "dead-letters.md",
    ROOT / "docs" / "delays.md",
    ROOT / "docs" / "visibility-timeout.md",
    ROOT / "docs" / "exactly-once.md",
    ROOT / "docs" / "order.md",
    ROOT / "docs" / "streams.md",
    ROOT / "docs" / "schemas.md",
    ROOT / "docs" / "service.md",
    ROOT / "docs" / "workers.md",
    ROOT / "docs" / "numbers.md",
    *sorted(ROOT.glob("examples/**/README.md")),
]
_FENCE = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_SESSION = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


@frozen
class Block:
    """A fenced block: its language, the name of the file it is, its text, what it must print."""

    language: str
    file: str | None
    text: str
    output: str | None = None


def _blocks(page: Path) -> list[Block]:
    """Return the blocks of a page in order, each `text` joined to the block before it."""
    blocks: list[Block] = []
    text = page.read_text(encoding="utf-8")
    last_end = 0
    for match in _FENCE.finditer(text):
        block = Block(match[1], match[2], match[3])
        if block.language == "text" and not text[last_end : match.start()].strip():
            block = Block(blocks[-1].language, blocks[-1].file, blocks.pop().text, match[3])
        blocks.append(block)
        last_end = match.end()
    return blocks


def _run(command: list[str] | str, folder: Path) -> tuple[int, str]:
    environment = os.environ | {
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))),
        "PYTHONUTF8": "1",
    }
    done = subprocess.run(
        command,
        shell=isinstance(command, str),
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_shows_is_what_happens(page: Path, tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    for block in _blocks(page):
        if block.file is not None:
            (tmp_path / block.file).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            status, printed = _run([sys.executable, "-c", block.text], tmp_path)
            assert status == 0, printed
            assert block.output is None or printed == block.output
        elif block.language == "console":
            _replay(block.text, tmp_path)


def _replay(session: str, folder: Path) -> None:
    for command, shown in _SESSION.findall(session):
        status, printed = _run(command, folder)
        if shown:
            assert f"$ {command}\n{printed}" == f"$ {command}\n{shown}"
        else:
            assert status == 0, f"$ {command}\n{printed}"


def test_the_first_screen_of_the_readme_installs_and_shows_something_real() -> None:
    blocks = _blocks(ROOT / "README.md")
    assert [block.language for block in blocks[:3]] == ["sh", "yaml", "python"]
    assert blocks[2].output
    code = [line for line in blocks[2].text.splitlines() if line.strip()]
    assert len(code) <= 10
