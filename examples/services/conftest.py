"""What the tests of these services have in common."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

import leveret

if TYPE_CHECKING:
    from collections.abc import Callable

#: Generous: what is waited for comes at once, but on a machine that is busy.
SOON_S = 30


@pytest.fixture
def clock() -> leveret.ManualClock:
    """Give the time, which stands still."""
    return leveret.ManualClock()


@pytest.fixture
def until() -> Callable[[Callable[[], object]], None]:
    """Give a function that lets handlers work until they have come so far."""

    def wait(condition: Callable[[], object]) -> None:
        pause = threading.Event()
        for _ in range(SOON_S * 1000):
            if condition():
                return
            pause.wait(0.001)
        raise AssertionError("it never came so far")

    return wait
