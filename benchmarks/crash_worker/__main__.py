"""Runs the crash test of workers: `python -m benchmarks.crash_worker --kills 100 --seed 1`."""

from __future__ import annotations

import random
import tempfile
import time
from pathlib import Path

import click

from benchmarks.crash_worker.run import Run
from benchmarks.report import circumstances


@click.command()
@click.option("--kills", type=int, default=100, show_default=True, help="Of each way of working.")
@click.option("--seed", type=int, help="Of everything that is chosen; printed where not given.")
@click.option(
    "--longest", type=float, default=0.3, show_default=True, help="Seconds of work before a kill."
)
@click.option("--quiet", is_flag=True, help="Tell only how it ended.")
@click.pass_context
def main(context: click.Context, kills: int, seed: int | None, longest: float, quiet: bool) -> None:
    """Kill a worker process again and again, with idempotency and without; judge its effects.

    Exit status: 0 when everything held, 1 when something did not.
    """
    seed = random.randrange(10**6) if seed is None else seed
    click.echo(f"{kills} kills, --seed {seed} --longest {longest:g}")
    faulty = False
    tell = (lambda text: None) if quiet else click.echo
    for mode in ("once", "plain"):
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as scratch:
            run = Run(Path(scratch), mode, random.Random(seed), longest, tell)
            run.go(kills)
        click.echo("with idempotency" if mode == "once" else "without")
        figures = {**run.counts, "minutes": round((time.monotonic() - began) / 60, 1)}
        for name, value in figures.items():
            click.echo(f"{name:>32}  {value}")
        for kind, cases in run.faults.items():
            faulty = True
            click.echo(f"{kind}: {'; '.join(cases)}", err=True)
    click.echo(circumstances())
    click.echo("not everything held" if faulty else "everything held", err=faulty)
    context.exit(1 if faulty else 0)


if __name__ == "__main__":
    main()
