"""Shows what was measured: tables on a terminal, JSON in a file."""

from __future__ import annotations

import json
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from attrs import asdict
from rich.box import SIMPLE_HEAD
from rich.table import Table

from benchmarks.measure import summary

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from rich.console import Console

    from benchmarks.measure import Comparison, Figure, Goal, Scale, Section

__all__ = ["circumstances", "save", "show"]


def circumstances() -> dict[str, Any]:
    """Return what a reader must know of the machine and the versions to judge the figures."""
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "processors": os.cpu_count(),
        "load_average_1_min": round(os.getloadavg()[0], 2),
        "leveret": _version("leveret"),
        "kombu": _version("kombu"),
        "celery": _version("celery"),
        "dramatiq": _version("dramatiq"),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def show(section: Section, console: Console) -> None:
    """Print a section as one table of figures and one of comparisons."""
    console.print(f"\n[bold]{section.title}[/bold]\n[dim]{section.note}[/dim]")
    if section.figures:
        console.print(_figures(section))
    if section.comparisons:
        console.print(_comparisons(section.comparisons))


def _figures(section: Section) -> Table:
    table = Table(box=SIMPLE_HEAD)
    table.add_column("")
    table.add_column(f"CPU per {section.operation}", justify="right")
    table.add_column("range", justify="right")
    table.add_column("wall", justify="right")
    table.add_column("per CPU second", justify="right")
    for figure in section.figures:
        median, least, greatest = summary(figure.cpu_ns)
        table.add_row(
            figure.side,
            _time(median),
            f"{_time(least, greatest)} - {_time(greatest)}",
            _time(summary(figure.wall_ns)[0]),
            f"{figure.per_second:,.0f}" if figure.per_second >= 10 else f"{figure.per_second:.2f}",
        )
    return table


def _comparisons(comparisons: Iterable[Comparison]) -> Table:
    table = Table(box=SIMPLE_HEAD)
    table.add_column("")
    for column in ("median", "range", "goal"):
        table.add_column(column, justify="right")
    table.add_column("reached")
    for comparison in comparisons:
        median, least, greatest = summary(comparison.values)
        unit, goal = comparison.unit, comparison.goal
        table.add_row(
            comparison.claim,
            f"{_number(median)} {unit}",
            f"{_number(least)} - {_number(greatest)}",
            _goal(goal, unit),
            "" if goal is None else "yes" if goal.met(median) else "[bold red]no[/bold red]",
        )
    return table


def _goal(goal: Goal | None, unit: str) -> str:
    if goal is None:
        return ""
    if goal.at_most is not None:
        return f"≤ {_number(goal.at_most)} {unit}"
    return f"≥ {_number(goal.at_least or 0)} {unit}"


def _time(nanoseconds: float, beside: float = 0) -> str:
    """Write a time with its unit; one that stands before another, in that one's unit, without."""
    for limit, divisor, unit in ((1e4, 1, "ns"), (1e7, 1e3, "µs"), (1e10, 1e6, "ms")):
        if (beside or nanoseconds) < limit:
            return f"{nanoseconds / divisor:,.0f}" + ("" if beside else f" {unit}")
    return f"{nanoseconds / 1e9:,.1f}" + ("" if beside else " s")


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def save(sections: Iterable[Section], scale: Scale, path: Path) -> None:
    """Write everything that was measured, every round of it, as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "command": sys.argv[1:],
        "circumstances": circumstances(),
        "scale": asdict(scale),
        "sections": [_plain(section) for section in sections],
    }
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _plain(section: Section) -> dict[str, Any]:
    plain = asdict(section)
    for figure, source in zip(plain["figures"], section.figures, strict=True):
        figure["summary_cpu_ns"] = _named(source)
    for comparison, verdict in zip(plain["comparisons"], section.comparisons, strict=True):
        comparison["median"] = verdict.value
        if verdict.goal is not None:
            comparison["reached"] = verdict.goal.met(verdict.value)
    return plain


def _named(figure: Figure) -> dict[str, float]:
    return dict(zip(("median", "least", "greatest"), summary(figure.cpu_ns), strict=True))
