"""`leveret storage`: what can be done with a data directory beside serving it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from leveret.cli.findings import counted
from leveret.cli.screen import printable, show_json
from leveret.cli.storage_dump import dump
from leveret.cli.storage_report import show_damages, show_totals, survey_to_dict
from leveret.cli.storage_use import waiting_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from leveret.storage.survey import Survey

__all__ = ["storage"]

_DIRECTORY = click.Path(exists=True, file_okay=False, path_type=Path)
_TARGET = click.Path(file_okay=False, path_type=Path)


@click.group()
def storage() -> None:
    """Look after the directory of `leveret serve --data DIR`."""


storage.add_command(dump)


@storage.command()
@click.argument("directory", metavar="DIR", type=_DIRECTORY)
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@click.pass_context
def check(context: click.Context, directory: Path, as_json: bool) -> None:
    """Read all of DIR and say what it holds and what is damaged, changing nothing.

    A broker may be serving it.

    Exit status: 0 when nothing is damaged, 1 when something is, 2 when it cannot be read.
    """
    with waiting_for("checking") as progress:
        found = _survey(directory, progress)
    if as_json:
        show_json(survey_to_dict(found))
    else:
        show_totals(found)
        show_damages(found.damages)
        if found.damages:
            click.echo(f"'leveret storage repair {directory}' keeps all that is whole", err=True)
    context.exit(1 if found.damages else 0)


@storage.command()
@click.argument("directory", metavar="DIR", type=_DIRECTORY)
@click.option("--dry-run", is_flag=True, help="Only say what could not be kept.")
@click.pass_context
def repair(context: click.Context, directory: Path, dry_run: bool) -> None:
    """Replace a damaged database in DIR by one with all that is whole.

    What cannot be kept is listed, and the damaged file stays, as leveret.db.damaged-1 or the
    next free number. No broker may be using DIR.

    Exit status: 0 when DIR is sound now, 1 when it would have to be repaired (--dry-run), 2 when it
    cannot be read or written.
    """
    from leveret.storage.rewriting import repair as repair_directory

    if dry_run:
        with waiting_for("checking") as progress:
            found = _survey(directory, progress)
        show_damages(found.damages)
        click.echo("would be repaired" if found.damages else "nothing is damaged")
        context.exit(1 if found.damages else 0)
    with waiting_for("repairing") as progress:
        done = repair_directory(directory, progress)
    show_damages(done.before.damages)
    if done.kept_as is None:
        click.echo("nothing is damaged")
    else:
        kept_as = printable(str(done.kept_as))
        click.echo(
            f"repaired: {counted(done.before.messages, 'message')} and"
            f" {counted(sum(done.before.objects.values()), 'object')} kept; the damaged file is"
            f" {kept_as}"
        )


@storage.command()
@click.argument("directory", metavar="DIR", type=_DIRECTORY)
def compact(directory: Path) -> None:
    """Rewrite the database in DIR with nothing but what is alive.

    No broker may be using DIR; one that is gives space back by itself, in small steps.

    Exit status: 0 when it is done, 2 when DIR is damaged, in use, or cannot be read or written.
    """
    from leveret.storage.rewriting import compact as compact_directory

    with waiting_for("compacting") as progress:
        done = compact_directory(directory, progress)
    before = counted(done.before.file_bytes, "byte")
    click.echo(f"{before} before, {counted(done.after_bytes, 'byte')} now")


@storage.command()
@click.argument("directory", metavar="DIR", type=_DIRECTORY)
@click.argument("target", metavar="TARGET", type=_TARGET)
@click.pass_context
def backup(context: click.Context, directory: Path, target: Path) -> None:
    """Copy DIR, as it is now, to a new directory TARGET, and check the copy.

    A broker may be serving DIR.

    Exit status: 0 when the copy is sound, 1 when something in it is damaged, 2 when DIR cannot be
    read or TARGET cannot be written.
    """
    context.exit(_copied(directory, target, "backing up"))


@storage.command()
@click.argument("source", metavar="BACKUP", type=_DIRECTORY)
@click.argument("directory", metavar="DIR", type=_TARGET)
@click.pass_context
def restore(context: click.Context, source: Path, directory: Path) -> None:
    """Copy BACKUP to DIR, which must not be there yet or be empty, and check the copy.

    Exit status: as for `leveret storage backup`.
    """
    context.exit(_copied(source, directory, "restoring"))


def _copied(source: Path, target: Path, what: str) -> int:
    from leveret.storage.copying import copy_directory

    with waiting_for(what) as progress:
        copy_directory(source, target, lambda share: progress(share / 2))
        found = _survey(target, lambda share: progress(0.5 + share / 2))
    show_totals(found)
    show_damages(found.damages)
    return 1 if found.damages else 0


def _survey(directory: Path, progress: Callable[[float], object]) -> Survey:
    from leveret.storage.snapshot import Snapshot
    from leveret.storage.survey import survey

    with Snapshot(directory) as snapshot:
        return survey(snapshot, progress)
