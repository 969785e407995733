"""How long `leveret check` and `leveret diff` take for large topologies, and how it grows."""

from __future__ import annotations

from benchmarks.measure import Comparison, Goal, Scale, Section, Side, interleave, ratios
from benchmarks.topology_load import text_of_bindings
from leveret.config import Topology, loads

__all__ = ["run"]


def _covered(binding_count: int) -> Topology:
    """Return one queue with many bindings, a tenth of them covered by another one."""
    lines = ["exchanges: {events: topic}", "queues: [all]", "bindings:"]
    for number in range(binding_count):
        shop = number // 10
        last = "#" if number % 10 == 0 else f"*.k{number}" if number % 10 > 1 else "paid"
        lines.append(f"  - events[order.s{shop if number % 10 < 2 else number}.{last}] -> all")
    return loads("\n".join(lines) + "\n")


def run(scale: Scale) -> Section:
    count, few_count = scale.count(20_000), scale.count(1_000)
    large, other = loads(text_of_bindings(count)), loads(text_of_bindings(count - count // 10))
    text = text_of_bindings(count)
    few, many = _covered(few_count), _covered(count)
    figures = interleave(
        [
            Side("check: load and lint", 1, lambda: lambda: loads(text).check()),
            Side("diff of two loaded", 1, lambda: lambda: large.diff(other)),
            Side(f"covered bindings, {few_count:,} to one queue", few_count, lambda: few.check),
            Side(f"covered bindings, {count:,} to one queue", count, lambda: many.check),
        ],
        min(scale.rounds, 5),
    )
    check, diff, small, big = figures.values()

    def seconds(ns: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(one / 1e9 for one in ns)

    return Section(
        f"Check and compare topologies of {count:,} bindings",
        "binding",
        "The last two lint a queue whose bindings are all on one topic exchange, a tenth of them"
        " covered by another one; the figure is the cost for each binding.",
        tuple(figures.values()),
        [
            Comparison("check, seconds", seconds(check.cpu_ns), scale.goal(Goal(at_most=5)), "s"),
            Comparison("diff, seconds", seconds(diff.cpu_ns), scale.goal(Goal(at_most=5)), "s"),
            Comparison(f"cost per binding, {count:,} over {few_count:,}", ratios(big, small)),
        ],
    )
