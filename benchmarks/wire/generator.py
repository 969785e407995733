"""The load generator, `load.c`: how it is built, and one run of it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import click

__all__ = ["build", "run"]

SOURCE = Path(__file__).with_name("load.c")
#: No run of a row takes a tenth of this on two free cores.
TIMEOUT_S = 240


def build(folder: Path) -> Path:
    """Compile the generator into `folder` and return it.

    Raises:
        click.ClickException: there is no compiler, or no librabbitmq.

    """
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise click.ClickException("no C compiler: apt-get install gcc librabbitmq-dev")
    program = folder / "load"
    built = subprocess.run(
        [compiler, "-O2", "-o", str(program), str(SOURCE), "-lrabbitmq"],
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode:
        raise click.ClickException(
            f"{SOURCE} does not compile (apt-get install librabbitmq-dev):\n{built.stderr}"
        )
    return program


def run(program: Path, port: int, process: int, arguments: list[str]) -> dict[str, Any]:
    """Load the broker at a port, whose process is watched; return what the generator measured.

    Raises:
        click.ClickException: the generator failed.

    """
    command = [str(program), "-p", str(port), "-b", str(process), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    if done.returncode:
        raise click.ClickException(f"{' '.join(command)}: {done.stderr or done.stdout}")
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured
