"""`leveret fmt`: topology files in their canonical layout."""

from __future__ import annotations

import difflib
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from leveret.cli.collector import without_collector
from leveret.cli.output import CannotWrite, write_output
from leveret.cli.screen import printable, show, show_faults
from leveret.cli.topologies import CannotRead
from leveret.cli.waiting import Waiting
from leveret.errors import TopologyError

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["fmt"]

_STDIN = Path("-")
_STYLES = {"+": "green", "-": "red", "@": "cyan"}  # first character of a line of a diff -> style


@click.command()
@click.argument(
    "files",
    metavar="FILE...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
)
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if a file would change.")
@click.option("--diff", is_flag=True, help="Write nothing; print what would change.")
@click.pass_context
def fmt(context: click.Context, files: tuple[Path, ...], check: bool, diff: bool) -> None:
    """Lay topology files out in the canonical way; comments are kept.

    FILE - is standard input, laid out on standard output. A file with mistakes is left as it is,
    and its mistakes are shown.

    Exit status: 0 when all is well, 1 when a file has mistakes, or with --check would change.
    """
    failed = False
    for file in files:
        before = _read(file)
        after = _formatted(file, before)
        if after is None:
            failed = True
            continue
        changes = after != before
        if diff and changes:
            _show_diff(file, before, after)
        if check and changes:
            failed = True
            show(f"{printable(_name(file))}: would change", stderr=True)
        if not check and not diff:
            _write(file, after, changes=changes)
    context.exit(1 if failed else 0)


def _name(file: Path) -> str:
    return "<stdin>" if file == _STDIN else str(file)


def _read(file: Path) -> bytes:
    from leveret.config.reading import MAX_FILE_BYTES

    try:
        if file == _STDIN:
            return sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
        with file.open("rb") as stream:
            return stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise CannotRead(_name(file), error) from error


def _formatted(file: Path, data: bytes) -> bytes | None:
    """Return a file as it should be; show the mistakes of a bad one and return None."""
    from leveret.config import format_topology

    try:
        with Waiting(f"formatting {printable(file.name)}") as waiting, without_collector():
            return format_topology(data, _name(file), on_progress=waiting.tell).encode()
    except TopologyError as error:
        show_faults(error.faults)
        return None


def _write(file: Path, data: bytes, *, changes: bool) -> None:
    if file == _STDIN:
        write_output(data, None)
    elif changes:
        try:
            _replace(file.resolve(), data)
        except OSError as error:
            raise CannotWrite(file, error) from error
        show(f"{printable(str(file))}: changed")


def _replace(file: Path, data: bytes) -> None:
    """Put a new file in the place of one at once, so that nobody ever reads half of it."""
    descriptor, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name[:50]}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(descriptor)
        os.chmod(temporary, file.stat().st_mode & 0o7777)
        os.replace(temporary, file)
    except BaseException:
        os.unlink(temporary)
        raise


def _show_diff(file: Path, before: bytes, after: bytes) -> None:
    """Print how the lines of a file differ, as `diff -u` does."""
    name = _name(file)
    lines = difflib.unified_diff(
        _lines(before), _lines(after), name, f"{name} (formatted)", lineterm=""
    )
    text = "\n".join(printable(part) for line in lines for part in line.split("\n"))
    if sys.stdout.isatty():
        show(_coloured(text))
    else:
        click.echo(text)


def _lines(data: bytes) -> list[str]:
    lines = data.decode().split("\n")
    if lines[-1]:
        lines[-1] += "\n\\ No newline at end of file"
    else:
        lines.pop()
    return lines


def _coloured(text: str) -> Text:
    from rich.text import Text

    lines = (Text(line, style=_STYLES.get(line[:1], "")) for line in text.split("\n"))
    return Text("\n").join(lines)
