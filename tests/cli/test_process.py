"""The command as a process of its own: pipes, start, what is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ORDERS = ROOT / "examples" / "orders"


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )


def test_the_module_is_the_command() -> None:
    done = _python("-m", "leveret", "--version")
    assert done.returncode == 0
    assert done.stdout.startswith("leveret 0.")


def test_importing_leveret_imports_nothing_that_only_some_need() -> None:
    heavy = {"click", "rich", "yaml", "lark", "cattrs", "asyncio"}
    done = _python("-c", "import leveret, sys; print(*sys.modules)")
    assert heavy & set(done.stdout.split()) == set()


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_imports_nothing_that_only_a_run_needs(option: str) -> None:
    done = _python(
        "-c",
        "import sys, leveret.cli\n"
        f"try: leveret.cli.main([{option!r}])\n"
        "except SystemExit: print(*sys.modules, sep='\\n')",
    )
    heavy = {"rich", "yaml", "lark", "leveret.config"}
    assert heavy & set(done.stdout.split()) == set()


def test_a_reader_who_goes_away_leaves_no_traceback() -> None:
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "leveret", "run", str(ORDERS / "topology.yaml")),
            *("--messages", str(ORDERS / "messages.jsonl"), "--trace"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr:
        process.stdout.readline()
        process.stdout.close()
        complaints = process.stderr.read()
    process.wait(timeout=60)
    assert complaints == b""


def test_a_terminal_without_unicode_gets_codes_instead_of_a_traceback() -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "leveret", "explain", str(ORDERS / "topology.yaml")),
            *("orders", "order.paid.eu"),
        ],
        capture_output=True,
        env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"},
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"exchange 'orders'" in done.stdout
