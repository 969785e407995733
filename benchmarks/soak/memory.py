"""Whether memory is flat, told from samples of it."""

from __future__ import annotations

from statistics import linear_regression, median
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.soak.server import Sample

__all__ = ["Memory", "memory_of"]

MIB = 1024 * 1024

#: The first part of a run, in which caches fill and the allocator finds its size: a quarter of it,
#: of a short run a minute, but no more than a half.
WARM_UP, WARM_UP_S, WARM_UP_MOST = 0.25, 60.0, 0.5

#: The judged part is cut into so many; of each, the least counts: what comes on top are messages
#: that wait just then.
WINDOWS = 12

#: What the fitted line may rise over the judged part, whatever comes first: bytes, or a share.
RISE_BYTES, RISE_SHARE = 4 * MIB, 0.05


@frozen
class Memory:
    """Resident memory after the warm-up. Sizes are in bytes."""

    median: float
    peak: int
    #: The line fitted to the floor: per hour, and over the judged part.
    slope_per_hour: float
    rise: float

    @property
    def is_flat(self) -> bool:
        """Whether it did not grow."""
        return self.rise <= max(RISE_BYTES, RISE_SHARE * self.median)


def memory_of(samples: Sequence[Sample]) -> Memory:
    """Return what samples say; at least a few for each window are needed."""
    length_s = samples[-1].at_s
    warm_s = min(max(length_s * WARM_UP, WARM_UP_S), length_s * WARM_UP_MOST)
    judged = [sample for sample in samples if sample.at_s >= warm_s]
    size = max(len(judged) // WINDOWS, 1)
    windows = [judged[at : at + size] for at in range(0, len(judged) - size + 1, size)]
    floor = [min(window, key=lambda sample: sample.resident_bytes) for window in windows]
    times = [sample.at_s for sample in floor]
    slope = linear_regression(times, [sample.resident_bytes for sample in floor]).slope
    sizes = [sample.resident_bytes for sample in judged]
    return Memory(median(sizes), max(sizes), slope * 3600, slope * (times[-1] - times[0]))
