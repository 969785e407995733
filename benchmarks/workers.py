"""Messages through a no-op worker: how many a second, and how long from publish to handler.

leveret's faces beside what else hands work to a thread of the same process: Celery, dramatiq, and a
plain `queue.Queue`.
"""

from __future__ import annotations

import statistics
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from benchmarks import worker_leveret, worker_peers
from benchmarks.measure import Comparison, Figure, Scale, Section, Side, interleave, ratios
from benchmarks.worker_finish import Finish

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.worker_finish import Contender

__all__ = ["latency", "run"]

_PEERS = ("dramatiq", "Celery", "queue.Queue")


def run(scale: Scale) -> Section:
    """Publish many and wait until the last is handled."""
    contenders = [*worker_leveret.CONTENDERS, *worker_peers.contenders()]
    with ExitStack() as opened:
        figures = interleave(
            [_side(each, scale.count(each.messages), opened) for each in contenders], scale.rounds
        )
    rates = {name: _rates(figure) for name, figure in figures.items()}
    comparisons = [
        Comparison(f"{name}, messages a second", rates[name], None, "/s") for name in rates
    ]
    base = worker_leveret.THREADS
    comparisons += [
        Comparison(
            f"{name}, processor time over {base}",
            ratios(figures[name], figures[base]),
        )
        for name in rates
        if name.startswith(_PEERS)
    ]
    return Section(
        "Through a no-op worker, in one process",
        "message",
        "Publish in one thread as fast as it goes, handle, ack; from the first publish until the"
        " last is handled. Not equal: leveret routes, confirms each publish and counts; Celery and"
        " dramatiq make each message a task in JSON and run their middleware; queue.Queue does"
        " none of it. Only leveret with a directory keeps anything. Messages a second are by the"
        " wall clock.",
        tuple(figures.values()),
        comparisons,
    )


def _side(contender: Contender, count: int, opened: ExitStack) -> Side:
    def prepare() -> Callable[[], object]:
        opened.close()  # what was measured before this
        finish = Finish()
        through = contender.open(finish, opened)
        through(min(count, 10))
        return partial(through, count)

    return Side(contender.name, count, prepare)


def _rates(figure: Figure) -> tuple[float, ...]:
    return tuple(1e9 / nanoseconds for nanoseconds in figure.wall_ns)


def latency(scale: Scale) -> Section:
    """Publish one, wait until it is handled, publish the next."""
    contenders = [*worker_leveret.CONTENDERS, *worker_peers.contenders()]
    taken: dict[str, list[list[float]]] = {
        each.name: [] for each in contenders if each.one_at_a_time
    }
    for number in range(scale.rounds):
        for each in contenders if number % 2 == 0 else reversed(contenders):
            if each.one_at_a_time:
                taken[each.name].append(_latencies(each, scale.count(each.one_at_a_time)))
    comparisons = [
        Comparison(f"{name}, {label}", tuple(percentile(one) for one in rounds), None, "µs")
        for name, rounds in taken.items()
        for label, percentile in (("p50", statistics.median), ("p99", _p99))
    ]
    return Section(
        "From publish to handler, one message in flight",
        "message",
        "The clock starts before the publish and stops as the handler begins. Celery looks for"
        " messages every millisecond here; by default it does once a second.",
        (),
        comparisons,
    )


def _latencies(contender: Contender, count: int) -> list[float]:
    """Return microseconds from publish to handler, of each of so many messages."""
    with ExitStack() as opened:
        finish = Finish()
        through = contender.open(finish, opened)
        through(1)
        taken = []
        for _ in range(count):
            through(1)
            taken.append(finish.latest_us)
    return taken


def _p99(values: Sequence[float]) -> float:
    return sorted(values)[len(values) * 99 // 100]
