"""What came out of a row: every run of each side, their medians, and how they compare."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from attrs import define, field

from benchmarks.wire.brokers import LEVERET, RABBITMQ
from benchmarks.wire.rows import ROWS

if TYPE_CHECKING:
    from benchmarks.wire.rows import Row

__all__ = ["Outcome"]


@define
class Outcome:
    """The runs of one row: side -> what the generator measured, a run each."""

    row: Row
    runs: dict[str, list[dict[str, Any]]] = field(factory=lambda: {LEVERET: [], RABBITMQ: []})

    @classmethod
    def of(cls, plain: dict[str, Any]) -> Outcome:
        """Return what `plain` made plain; the row is the present one of that name."""
        row = next(row for row in ROWS if row.key == plain["row"])
        return cls(row, plain["runs"])

    def values(self, side: str, figure: str) -> list[float]:
        """Return one figure of every run of a side: `rate`, `cpu` (µs a message), `p50`, `p99`."""
        key = {"rate": "rate", "cpu": "broker_cpu_per_M", "p50": "p50_us", "p99": "p99_us"}[figure]
        return [float(run[key]) for run in self.runs[side]]

    def median(self, side: str, figure: str) -> float:
        """Return the median of a figure."""
        return statistics.median(self.values(side, figure))

    def times_better(self, figure: str) -> float:
        """Return how many times better leveret's median is than RabbitMQ's."""
        ours, theirs = self.median(LEVERET, figure), self.median(RABBITMQ, figure)
        better = (ours, theirs) if figure == "rate" else (theirs, ours)
        return better[0] / max(better[1], 1e-9)

    def goals(self) -> dict[str, float]:
        """Return the figures that have a goal -> how many times better they should be."""
        row = self.row
        found = {"rate": row.rate, "cpu": row.cpu, "p99": row.latency}
        if not row.p99_only:
            found["p50"] = row.latency
        return {figure: goal for figure, goal in found.items() if goal is not None}

    def missed(self) -> list[str]:
        """Return the figures that miss their goal."""
        return [f for f, goal in self.goals().items() if self.times_better(f) < goal]

    def plain(self) -> dict[str, Any]:
        """Return everything as plain data, for the file of results."""
        figures = ["cpu", *(["rate"] if self.row.kind == "rate" else ["p50", "p99"])]
        return {
            "row": self.row.key,
            "name": self.row.name,
            "arguments": self.row.arguments,
            "medians": {s: {f: self.median(s, f) for f in figures} for s in self.runs},
            "times_better": {f: self.times_better(f) for f in figures},
            "goals": self.goals(),
            "missed": self.missed(),
            "runs": self.runs,
        }
