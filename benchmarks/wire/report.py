"""Shows what was measured: tables on a terminal, or in Markdown for the documentation."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from attrs import frozen
from rich.box import SIMPLE_HEAD
from rich.table import Table

from benchmarks.wire.brokers import LEVERET, RABBITMQ

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.wire.outcome import Outcome
    from benchmarks.wire.resources import Resource

__all__ = ["Grid", "latencies", "rates", "resources"]


@frozen
class Grid:
    """A table as text: its columns, and rows of as many cells; the last says what was missed."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def on_terminal(self) -> Table:
        """Return it for a terminal."""
        table = Table(box=SIMPLE_HEAD)
        for number, column in enumerate(self.columns):
            table.add_column(column, justify="right" if number else "left")
        for row in self.rows:
            missed = f"[bold red]{row[-1]}[/bold red]" if row[-1].startswith("no") else row[-1]
            table.add_row(*row[:-1], missed)
        return table

    def in_markdown(self) -> str:
        """Return it as the documentation has it."""
        lines = [self.columns, ["---"] * len(self.columns), *self.rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def rates(outcomes: Iterable[Outcome]) -> Grid:
    """Return the rows whose figure is a rate."""
    columns = ["messages a second", LEVERET, "range", RABBITMQ, "range", "times", "goal"]
    columns += ["CPU each", RABBITMQ, "share", "goal", "reached"]
    return Grid(columns, [_rate_row(outcome) for outcome in outcomes])


def _rate_row(outcome: Outcome) -> list[str]:
    return [
        outcome.row.name,
        *_rates(outcome.values(LEVERET, "rate")),
        *_rates(outcome.values(RABBITMQ, "rate")),
        f"{outcome.times_better('rate'):.1f}",
        _goal(outcome, "rate", ""),
        *_cpu(outcome),
        _reached(outcome),
    ]


def latencies(outcomes: Iterable[Outcome]) -> Grid:
    """Return the rows whose figure is a time."""
    columns = ["microseconds", f"{LEVERET} p50", "p99", f"{RABBITMQ} p50", "p99"]
    columns += ["p50 share", "p99 share", "goal", "CPU each", RABBITMQ, "share", "goal", "reached"]
    return Grid(columns, [_latency_row(outcome) for outcome in outcomes])


def _latency_row(outcome: Outcome) -> list[str]:
    return [
        outcome.row.name,
        *(f"{outcome.median(LEVERET, f):,.0f}" for f in ("p50", "p99")),
        *(f"{outcome.median(RABBITMQ, f):,.0f}" for f in ("p50", "p99")),
        *(f"1/{outcome.times_better(f):.1f}" for f in ("p50", "p99")),
        _goal(outcome, "p99", "1/"),
        *_cpu(outcome),
        _reached(outcome),
    ]


def resources(taken: Iterable[Resource]) -> Grid:
    """Return what is smaller the better."""
    rows = []
    for each in taken:
        theirs = f"{statistics.median(each.rabbitmq):,.0f} {each.unit}" if each.rabbitmq else ""
        spread = f"{min(each.leveret):,.0f}–{max(each.leveret):,.0f}"
        reached = "yes" if each.reached else "no"
        ours = f"{each.median:,.0f} {each.unit}"
        rows.append([each.name, ours, spread, f"{each.goal:,.0f}", theirs, reached])
    return Grid(("", LEVERET, "range", "goal", RABBITMQ, "reached"), rows)


def _rates(values: Sequence[float]) -> tuple[str, str]:
    low, high = min(values) / 1000, max(values) / 1000
    return f"{statistics.median(values):,.0f}", f"{low:,.0f}–{high:,.0f}k"


def _cpu(outcome: Outcome) -> tuple[str, str, str, str]:
    ours, theirs = (outcome.median(side, "cpu") for side in (LEVERET, RABBITMQ))
    share = f"1/{outcome.times_better('cpu'):.1f}"
    return f"{ours:.2f} µs", f"{theirs:.1f} µs", share, _goal(outcome, "cpu", "1/")


def _goal(outcome: Outcome, figure: str, prefix: str) -> str:
    goals = outcome.goals()
    return f"{prefix}{goals[figure]:g}" if figure in goals else ""


def _reached(outcome: Outcome) -> str:
    missed = outcome.missed()
    return f"no: {', '.join(missed)}" if missed else "yes"
