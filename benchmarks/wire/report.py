"""Shows what was measured: tables on a terminal."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table

from benchmarks.wire.brokers import LEVERET, RABBITMQ

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.wire.outcome import Outcome
    from benchmarks.wire.resources import Resource

__all__ = ["latency_table", "rate_table", "resource_table"]

_NO = "[bold red]no[/bold red]"


def rate_table(outcomes: Iterable[Outcome]) -> Table:
    """Return the rows whose figure is a rate."""
    table = _table("messages a second", "leveret", "range", "RabbitMQ", "range", "×", "goal")
    for column in ("CPU µs", "RabbitMQ", "÷", "goal"):
        table.add_column(column, justify="right")
    table.add_column("reached")
    for outcome in outcomes:
        goals = outcome.goals()
        table.add_row(
            outcome.row.name,
            *_rates(outcome.values(LEVERET, "rate")),
            *_rates(outcome.values(RABBITMQ, "rate")),
            f"{outcome.times_better('rate'):.1f}",
            _goal(goals, "rate"),
            f"{outcome.median(LEVERET, 'cpu'):.2f}",
            f"{outcome.median(RABBITMQ, 'cpu'):.1f}",
            f"{outcome.times_better('cpu'):.1f}",
            _goal(goals, "cpu"),
            _reached(outcome),
        )
    return table


def latency_table(outcomes: Iterable[Outcome]) -> Table:
    """Return the rows whose figure is a time."""
    table = _table("microseconds", "leveret p50", "p99", "RabbitMQ p50", "p99", "÷ p50", "÷ p99")
    for column in ("goal", "CPU µs", "RabbitMQ", "÷", "goal"):
        table.add_column(column, justify="right")
    table.add_column("reached")
    for outcome in outcomes:
        goals = outcome.goals()
        table.add_row(
            outcome.row.name,
            *(f"{outcome.median(LEVERET, f):,.0f}" for f in ("p50", "p99")),
            *(f"{outcome.median(RABBITMQ, f):,.0f}" for f in ("p50", "p99")),
            *(f"{outcome.times_better(f):.1f}" for f in ("p50", "p99")),
            _goal(goals, "p99"),
            f"{outcome.median(LEVERET, 'cpu'):.0f}",
            f"{outcome.median(RABBITMQ, 'cpu'):.0f}",
            f"{outcome.times_better('cpu'):.1f}",
            _goal(goals, "cpu"),
            _reached(outcome),
        )
    return table


def resource_table(resources: Iterable[Resource]) -> Table:
    """Return what is smaller the better."""
    table = _table("", "leveret", "range", "goal", "RabbitMQ")
    table.add_column("reached")
    for each in resources:
        least, greatest = min(each.leveret), max(each.leveret)
        theirs = f"{statistics.median(each.rabbitmq):,.0f} {each.unit}" if each.rabbitmq else ""
        table.add_row(
            each.name,
            f"{each.median:,.0f} {each.unit}",
            f"{least:,.0f} - {greatest:,.0f}",
            f"≤ {each.goal:,.0f}",
            theirs,
            "yes" if each.reached else _NO,
        )
    return table


def _table(first: str, *columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD)
    table.add_column(first)
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _rates(rates: Sequence[float]) -> tuple[str, str]:
    low, high = min(rates) / 1000, max(rates) / 1000
    return f"{statistics.median(rates):,.0f}", f"{low:,.0f} - {high:,.0f}k"


def _goal(goals: dict[str, float], figure: str) -> str:
    return f"{goals[figure]:g}" if figure in goals else ""


def _reached(outcome: Outcome) -> str:
    if not outcome.goals():
        return ""
    missed = outcome.missed()
    return f"{_NO}: {', '.join(missed)}" if missed else "yes"
