"""The crash test of workers: a few kills, and the judge finds each kind of wrong effect."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import pytest
from benchmarks.crash_worker.run import Run, judge

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("mode", ["once", "plain"])
def test_a_worker_that_is_killed_has_each_effect_in_order(tmp_path: Path, mode: str) -> None:
    run = Run(tmp_path / "run", mode, random.Random(3), 0.3, print)
    run.go(2)
    assert run.faults == {}
    assert run.counts["effects"] >= run.counts["messages"]


@pytest.mark.parametrize(
    ("numbers", "is_once", "faults"),
    [
        ([1, 2, 3], True, []),
        ([1, 2, 3, 2, 3], False, []),
        ([1, 2, 3, 2, 3], True, ["an effect twice"]),
        ([1, 3], False, ["no effect"]),
        ([1, 3, 2], True, ["out of order"]),
        ([1, 2, 1, 3], False, []),
    ],
)
def test_the_judge_sees_what_is_wrong(numbers: list[int], is_once: bool, faults: list[str]) -> None:
    effects = defaultdict(list, {"a": numbers})
    found = judge(Counter(a=3), effects, is_once=is_once)
    assert [kind for kind, _ in found] == faults
