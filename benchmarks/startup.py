"""What `import leveret` adds to a bare interpreter, in fresh processes."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from benchmarks import kombu_memory
from benchmarks.measure import Comparison, Figure, Goal, Scale, Section

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["children_cpu_s", "run"]

_BARE, _IMPORT = "bare interpreter", "import leveret"
_NAMES, _BROKER = "import Broker from it", "and make a Broker"
_TOPIC, _KOMBU = "and bind a first topic pattern", "import kombu, open memory://"
_BIND = (
    "import leveret; broker = leveret.Broker(); broker.queue_declare('q');"
    " broker.queue_bind('q', 'amq.topic', 'a.*')"
)
#: what -> program
_PROGRAMS = {
    _BARE: "pass",
    _IMPORT: "import leveret",
    _NAMES: "from leveret import Broker",
    _BROKER: "import leveret; leveret.Broker()",
    _TOPIC: _BIND,
    _KOMBU: "import kombu; kombu.Connection('memory://').channel()",
}


def run(scale: Scale) -> Section:
    programs = dict(_PROGRAMS)
    if not kombu_memory.AVAILABLE:
        del programs[_KOMBU]
    # what -> (processor, wall) nanoseconds, a round each
    taken: dict[str, list[tuple[int, int]]] = {name: [] for name in programs}
    for program in programs.values():
        _start(program)  # so that compiled files and the disk's cache are there
    for _ in range(3 * scale.rounds if scale.shrink == 1 else scale.rounds):
        for name, program in programs.items():
            taken[name].append(_start(program))
    figures = {
        name: Figure(name, 1, tuple(cpu for cpu, _ in times), tuple(wall for _, wall in times))
        for name, times in taken.items()
    }
    # The names of leveret are imported when first used, so that the goal means them as well.
    goals = dict.fromkeys((_IMPORT, _NAMES), scale.goal(Goal(at_most=80)))
    return Section(
        "Start: a fresh interpreter each",
        "start",
        "Processes started in turn; processor time is the child's own, user and system.",
        tuple(figures.values()),
        tuple(
            Comparison(
                f"{name}: added to the bare interpreter",
                _added(figure.cpu_ns, figures[_BARE].cpu_ns),
                goals.get(name),
                "ms",
            )
            for name, figure in figures.items()
            if name != _BARE
        ),
    )


def _added(more: Sequence[float], less: Sequence[float]) -> tuple[float, ...]:
    return tuple((a - b) / 1e6 for a, b in zip(more, less, strict=True))


def _start(program: str) -> tuple[int, int]:
    """Run a program in a new interpreter; return its processor and wall time in nanoseconds."""
    before, began = children_cpu_s(), time.perf_counter_ns()
    subprocess.run([sys.executable, "-c", program], check=True)
    wall_ns = time.perf_counter_ns() - began
    return round((children_cpu_s() - before) * 1e9), wall_ns


def children_cpu_s() -> float:
    """Return the processor time of child processes that have ended, in seconds."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
