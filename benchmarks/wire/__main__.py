"""Runs the benchmark of the wire: `python -m benchmarks.wire`, or `make bench-wire`."""

from __future__ import annotations

import contextlib
import datetime
import json
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from attrs import asdict
from rich.console import Console

from benchmarks.report import circumstances
from benchmarks.wire import generator, report, resources
from benchmarks.wire.brokers import LEVERET, RABBITMQ, Side, leveret_side, rabbitmq_side
from benchmarks.wire.outcome import Outcome
from benchmarks.wire.resources import Resource
from benchmarks.wire.rows import ROWS, Row

if TYPE_CHECKING:
    from collections.abc import Sequence

RESULTS = Path(__file__).parents[1] / "results"
#: Of a page in a file, in characters.
WIDTH = 170
#: A row that is no load: start and memory.
_RESOURCES = "resources"
_QUICK_SHARE = 4


@click.command()
@click.option(
    "--only",
    multiple=True,
    type=click.Choice([*(row.key for row in ROWS), _RESOURCES]),
    help="Run this row; repeatable.",
)
@click.option("--quick", is_flag=True, help="A quarter of the messages, two rounds: a look only.")
@click.option("--rounds", type=click.IntRange(1), help="How often each side is loaded.")
@click.option(
    "--json",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the results go; else a file named by the time in benchmarks/results.",
)
@click.option("--markdown", is_flag=True, help="Show the tables as the documentation has them.")
@click.option(
    "--show",
    "saved",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Show results saved before, and measure nothing.",
)
def main(
    only: tuple[str, ...],
    quick: bool,
    rounds: int | None,
    path: Path | None,
    markdown: bool,
    saved: Path | None,
) -> None:
    """Load `leveret serve` and a private RabbitMQ in turn, and compare."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    if saved is not None:
        document = json.loads(saved.read_text("utf-8"))
        loaded = [Outcome.of(plain) for plain in document["rows"]]
        _show(loaded, [Resource(**each) for each in document["resources"]], console, markdown)
        return
    began = time.monotonic()
    rounds = rounds or (2 if quick else 5)
    chosen = [row for row in ROWS if not only or row.key in only]
    facts = {**circumstances(), "uvloop": find_spec("uvloop") is not None, "rounds": rounds}
    console.print(", ".join(f"{name} {value}" for name, value in facts.items()))
    with tempfile.TemporaryDirectory(prefix="leveret-bench-") as name:
        folder = Path(name)
        program = generator.build(folder)
        taken: list[Resource] = []
        outcomes = []
        with rabbitmq_side() as rabbitmq:
            if not only or _RESOURCES in only:
                taken.append(resources.idle_memory(folder, rabbitmq, rounds))
            if chosen:
                with _leverets(folder, chosen) as ours:
                    outcomes = _measure(chosen, ours, rabbitmq, program, rounds, quick, console)
        if not only or _RESOURCES in only:
            taken += _resources(folder, program, rounds, quick)
    _show(outcomes, taken, console, markdown)
    now = datetime.datetime.now(tz=datetime.UTC)
    path = path or RESULTS / f"wire-{now:%Y-%m-%dT%H%M%SZ}.json"
    _save(path, facts, outcomes, taken)
    console.print(f"\nsaved to {path}, {time.monotonic() - began:.0f} s")


@contextlib.contextmanager
def _leverets(folder: Path, rows: Sequence[Row]) -> Any:
    """Run the leverets that these rows need: whether durable -> side."""
    with contextlib.ExitStack() as stack:
        sides = {}
        for durable in {row.durable for row in rows}:
            data = folder / "data" if durable else None
            sides[durable] = stack.enter_context(leveret_side(folder, data))
        yield sides


def _measure(
    rows: Sequence[Row],
    ours: dict[bool, Side],
    rabbitmq: Side,
    program: Path,
    rounds: int,
    quick: bool,
    console: Console,
) -> list[Outcome]:
    """Load both sides with each row in turn, round by round, now one first and now the other."""
    outcomes = [Outcome(row) for row in rows]
    share = _QUICK_SHARE if quick else 1
    for number in range(rounds):
        for outcome in outcomes:
            row = outcome.row
            sides = [ours[row.durable], rabbitmq]
            for side in sides if number % 2 == 0 else reversed(sides):
                count = row.leveret_count if side.name == LEVERET else row.rabbitmq_count
                arguments = [*row.arguments.split(), "-n", str(count // share)]
                run = generator.run(program, side.port, side.process, arguments)
                outcome.runs[side.name].append(run)
        if console.is_terminal:
            console.print(f"[dim]round {number + 1} of {rounds}[/dim]")
    return outcomes


def _resources(folder: Path, program: Path, rounds: int, quick: bool) -> list[Resource]:
    return [
        resources.start_times(folder, rounds),
        resources.start_in_process(rounds),
        resources.memory_of_messages(folder, program, 1_000_000 // (_QUICK_SHARE if quick else 1)),
    ]


def _show(
    outcomes: Sequence[Outcome], taken: Sequence[Resource], console: Console, markdown: bool
) -> None:
    grids = (
        report.rates([outcome for outcome in outcomes if outcome.row.kind == "rate"]),
        report.latencies([outcome for outcome in outcomes if outcome.row.kind == "latency"]),
        report.resources(taken),
    )
    for grid in grids:
        if grid.rows and markdown:
            click.echo(f"\n{grid.in_markdown()}")
        elif grid.rows:
            console.print(grid.on_terminal())
    if outcomes:
        console.print(
            f"Medians of runs in turn; CPU is the broker's own, for each message (delivery).\n"
            f"{LEVERET} is one process on one core; {RABBITMQ} has two schedulers that do not spin."
        )


def _save(
    path: Path, facts: dict[str, Any], outcomes: Sequence[Outcome], taken: Sequence[Resource]
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "command": sys.argv[1:],
        "circumstances": facts,
        "rows": [outcome.plain() for outcome in outcomes],
        "resources": [asdict(each) for each in taken],
    }
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
