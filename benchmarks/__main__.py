"""Runs the benchmarks: `python -m benchmarks`."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from benchmarks import (
    features,
    kit_start,
    kombu_memory,
    long_queue,
    message_cycle,
    queue_memory,
    startup,
    storage,
    streams,
    topic_routing,
    topology_check,
    topology_load,
    workers,
)
from benchmarks.measure import Scale
from benchmarks.report import circumstances, save, show

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.measure import Section

#: name -> what to run
BENCHMARKS: dict[str, Callable[[Scale], Section]] = {
    "topic": topic_routing.never_seen_keys,
    "topic-repeated": topic_routing.repeated_keys,
    "cycle": message_cycle.run,
    "features": features.run,
    "unused": features.unused,
    "consume": features.consume,
    "length": long_queue.run,
    "memory": queue_memory.run,
    "import": startup.run,
    "storage": storage.run,
    "streams": streams.run,
    "kit": kit_start.run,
    "workers": workers.run,
    "latency": workers.latency,
    "load": topology_load.run,
    "check": topology_check.run,
}
RESULTS = Path(__file__).parent / "results"
#: Of a page in a file, in characters.
WIDTH = 120


@click.command()
@click.option(
    "--only", multiple=True, type=click.Choice(list(BENCHMARKS)), help="Run this one; repeatable."
)
@click.option("--quick", is_flag=True, help="Sizes divided by 20, three rounds: a look, no figure.")
@click.option("--rounds", type=click.IntRange(1), help="How often each side is timed.")
@click.option("--shrink", type=click.IntRange(1), help="Divide sizes by this.")
@click.option(
    "--json",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the results go; else a file named by the time in benchmarks/results.",
)
def main(
    only: tuple[str, ...], quick: bool, rounds: int | None, shrink: int | None, path: Path | None
) -> None:
    """Measure leveret in process, each figure beside a peer in the same run."""
    scale = Scale(rounds or (3 if quick else 7), shrink or (20 if quick else 1))
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    console.print(", ".join(f"{name} {value}" for name, value in circumstances().items()))
    if scale.shrink > 1:
        console.print(f"sizes are divided by {scale.shrink}: goals do not apply")
    if not kombu_memory.AVAILABLE:
        console.print("kombu is not installed and left out: pip install --group bench")
    sections = []
    for name, run in BENCHMARKS.items():
        if only and name not in only:
            continue
        section = run(scale)
        show(section, console)
        sections.append(section)
    now = datetime.datetime.now(tz=datetime.UTC)
    path = path or RESULTS / f"{now:%Y-%m-%dT%H%M%SZ}.json"
    save(sections, scale, path)
    console.print(f"\nsaved to {path}")


if __name__ == "__main__":
    main()
