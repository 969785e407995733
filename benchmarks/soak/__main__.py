"""Runs the soak: `python -m benchmarks.soak --minutes 30 --seed 1`."""

from __future__ import annotations

import json
import random
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmarks.report import circumstances
from benchmarks.soak.judge import judge
from benchmarks.soak.memory import MIB, memory_of
from benchmarks.soak.run import Run
from benchmarks.soak.server import WatchedServer

if TYPE_CHECKING:
    from benchmarks.soak.judge import Verdict


@click.command()
@click.option("--minutes", type=float, default=2.0, show_default=True)
@click.option("--seed", type=int, help="Of everything that is chosen; printed where not given.")
@click.option("--rate", type=float, default=1.0, show_default=True, help="How much more load.")
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    help="Leave ledgers, log and report there.  [default: they are deleted]",
)
@click.option("--data", is_flag=True, help="Have the server keep messages on disk.")
@click.pass_context
def main(
    context: click.Context,
    minutes: float,
    seed: int | None,
    rate: float,
    keep: Path | None,
    data: bool,
) -> None:
    """Serve mixed load from six client processes, disturb them, and judge what they received.

    Exit status: 0 when everything held, 1 when something did not.
    """
    seed = random.randrange(10**6) if seed is None else seed
    click.echo(f"soak of {minutes:g} minutes, --seed {seed} --rate {rate:g}")
    with tempfile.TemporaryDirectory() as scratch:
        folder = keep or Path(scratch)
        ledgers = folder / "ledgers"
        ledgers.mkdir(parents=True)
        options = ["--data", str(folder / "data")] if data else []
        with WatchedServer(folder, options) as server:
            started = time.monotonic()

            def tell(text: str) -> None:
                minute, second = divmod(int(time.monotonic() - started), 60)
                click.echo(f"{minute:3}:{second:02} {text}")

            run = Run(server, ledgers, random.Random(seed), str(seed), rate, tell)
            run.go(minutes)
            server.stop()
        verdict = judge(ledgers)
        faults = _faults(server, run, verdict)
        report = _report(server, run, verdict) | {"minutes": minutes, "seed": seed, "rate": rate}
        (folder / "report.json").write_text(json.dumps(report | {"faults": faults}, indent=2))
    for name, value in report.items():
        click.echo(f"{name:>24}  {value}")
    for line in faults:
        click.echo(line, err=True)
    click.echo("everything held" if not faults else "not everything held", err=bool(faults))
    context.exit(1 if faults else 0)


def _faults(server: WatchedServer, run: Run, verdict: Verdict) -> list[str]:
    faults = verdict.lines() + run.faults + server.complaints()
    if server.status:
        faults.append(f"the server ended with {server.status}")
    memory = memory_of(server.samples)
    if not memory.is_flat:
        faults.append(f"memory rose by {memory.rise / MIB:.1f} MiB after the warm-up")
    return faults


def _report(server: WatchedServer, run: Run, verdict: Verdict) -> dict[str, Any]:
    memory = memory_of(server.samples)
    first, last = server.samples[0], server.samples[-1]
    counts = verdict.counts
    return {
        **{name: counts[name] for name in ("sent", "confirmed", "undone", "rejected")},
        **{name: counts[name] for name in ("received", "redelivered", "asked", "answered")},
        "disturbances": dict(run.disturbances),
        "memory_median_mib": round(memory.median / MIB, 1),
        "memory_peak_mib": round(memory.peak / MIB, 1),
        "memory_rise_mib": round(memory.rise / MIB, 2),
        "memory_mib_per_hour": round(memory.slope_per_hour / MIB, 2),
        "descriptors_idle": first.descriptors,
        "descriptors_most": max(sample.descriptors for sample in server.samples),
        "descriptors_at_end": last.descriptors,
        "server_cpu_share": round((last.cpu_s - first.cpu_s) / (last.at_s - first.at_s), 3),
        "circumstances": circumstances(),
    }


if __name__ == "__main__":
    main()
