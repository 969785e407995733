"""How long a large topology file takes to load, to declare, to expand, lay out and explain."""

from __future__ import annotations

import tempfile
from pathlib import Path

import yaml

import leveret
from benchmarks.measure import Comparison, Goal, Scale, Section, Side, interleave, ratios
from leveret.config import format_topology, load

__all__ = ["run", "text_of_bindings"]

_LOAD, _DECLARE = "leveret.config.load", "leveret.Broker.from_file"
_EXPAND, _FORMAT = "leveret.config.Topology.expand", "leveret.config.format_topology"
_EXPLAIN = "topology.explain, an exchange with half of the bindings"
_YAML, _C_YAML = "PyYAML alone, SafeLoader", "PyYAML alone, CSafeLoader"


def text_of_bindings(binding_count: int) -> str:
    """Write a file: a queue for ten bindings, every second binding in the form of a map."""
    queues = binding_count // 10 or 1
    lines = ["version: 1", "exchanges:", "  events: topic", "  work: direct", "queues:"]
    lines += [f"  queue-{number}: {{}}" for number in range(queues)]
    lines.append("bindings:")
    for number in range(binding_count):
        queue = f"queue-{number % queues}"
        if number % 2:
            key = f"task-{number}"
            lines.append(f"  - {{source: work, destination: {queue}, routing_key: {key}}}")
        else:
            lines.append(f"  - events[order.shop-{number}.*.paid] -> {queue}")
    return "\n".join(lines) + "\n"


def run(scale: Scale) -> Section:
    count = scale.count(20_000)
    text = text_of_bindings(count)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "topology.yaml")
        path.write_text(text, "utf-8")
        topology = load(path)  # which builds the parsers, once a process
        sides = [
            Side(_LOAD, 1, lambda: lambda: load(path)),
            Side(_DECLARE, 1, lambda: lambda: leveret.Broker.from_file(path)),
            Side(_EXPAND, 1, lambda: load(path).expand),
            Side(_FORMAT, 1, lambda: lambda: format_topology(text)),
            Side(_EXPLAIN, 1, lambda: lambda: str(topology.explain("events"))),
            Side(_YAML, 1, lambda: lambda: yaml.load(text, yaml.SafeLoader)),
        ]
        if yaml.__with_libyaml__:
            sides.append(Side(_C_YAML, 1, lambda: lambda: yaml.load(text, yaml.CSafeLoader)))
        figures = interleave(sides, min(scale.rounds, 5))

    def seconds(side: str) -> tuple[float, ...]:
        return tuple(ns / 1e9 for ns in figures[side].cpu_ns)

    return Section(
        f"Load a topology file of {count:,} bindings",
        "file",
        f"{len(text):,} bytes; half of the bindings are strings, half maps. PyYAML alone only"
        " parses the same text, and checks nothing.",
        tuple(figures.values()),
        [
            Comparison("load, seconds", seconds(_LOAD), scale.goal(Goal(at_most=3)), "s"),
            Comparison("load and declare, seconds", seconds(_DECLARE), None, "s"),
            Comparison("expand, seconds", seconds(_EXPAND), None, "s"),
            Comparison("lay out, seconds", seconds(_FORMAT), scale.goal(Goal(at_most=5)), "s"),
            Comparison("explain, seconds", seconds(_EXPLAIN), scale.goal(Goal(at_most=5)), "s"),
            Comparison(
                "load over PyYAML alone, SafeLoader", ratios(figures[_LOAD], figures[_YAML])
            ),
        ],
    )
