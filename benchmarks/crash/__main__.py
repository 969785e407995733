"""Runs the crash test: `python -m benchmarks.crash --kills 300 --seed 1`."""

from __future__ import annotations

import json
import logging
import random
import tempfile
import time
from pathlib import Path

import click

from benchmarks.crash.run import Run
from benchmarks.report import circumstances

#: Faults of one kind that are spelt out.
SHOWN = 5


@click.command()
@click.option("--kills", type=int, default=50, show_default=True)
@click.option("--seed", type=int, help="Of everything that is chosen; printed where not given.")
@click.option(
    "--longest", type=float, default=1.5, show_default=True, help="Seconds of load before a kill."
)
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    help="Leave directory, log and report there.  [default: they are deleted]",
)
@click.option("--quiet", is_flag=True, help="Tell only how it ended.")
@click.pass_context
def main(
    context: click.Context,
    kills: int,
    seed: int | None,
    longest: float,
    keep: Path | None,
    quiet: bool,
) -> None:
    """Kill a server with a data directory under load, again and again; look at what it kept.

    Exit status: 0 when everything held, 1 when something did not.
    """
    seed = random.randrange(10**6) if seed is None else seed
    click.echo(f"{kills} kills, --seed {seed} --longest {longest:g}")
    logging.disable()  # the client library tells of each connection that is lost
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        folder = keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        tell = (lambda text: None) if quiet else click.echo
        run = Run(folder, random.Random(seed), longest, tell)
        run.go(kills)
        books = run.books
        report = {
            **dict(sorted(books.counts.items())),
            "minutes": round((time.monotonic() - began) / 60, 1),
            "circumstances": circumstances(),
        }
        (folder / "report.json").write_text(json.dumps(report | {"faults": books.faults}, indent=2))
    for name, value in report.items():
        click.echo(f"{name:>24}  {value}")
    for kind, cases in books.faults.items():
        click.echo(f"{kind}: {len(cases)}", err=True)
        for case in cases[:SHOWN]:
            click.echo(f"  {case}", err=True)
    click.echo("not everything held" if books.faults else "everything held", err=bool(books.faults))
    context.exit(1 if books.faults else 0)


if __name__ == "__main__":
    main()
