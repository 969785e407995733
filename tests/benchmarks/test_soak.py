"""The soak's judge finds what is wrong, and nothing where nothing is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from benchmarks.soak.judge import judge
from benchmarks.soak.memory import MIB, memory_of
from benchmarks.soak.message import body_of, identity
from benchmarks.soak.server import Sample

if TYPE_CHECKING:
    from pathlib import Path

SENT = "sent p.1.orders 0\nsent p.1.orders 1\n"
GOOD = "received orders p.1.orders 0 0\nreceived orders p.1.orders 1 0\n"
AUDITED = "received audit p.1.orders 0 0\nreceived audit p.1.orders 1 0\n"
PRIORITIES = "".join(f"sent p.1.urgent {number}\n" for number in range(7))


def verdict_on(folder: Path, sent: str, *received: str) -> list[str]:
    (folder / "p.1.orders.txt").write_text(sent)
    for number, text in enumerate(received):
        (folder / f"c.{number}.from.txt").write_text(text)
    return list(judge(folder).faults)


@pytest.mark.parametrize(
    ("sent", "received"),
    [
        (SENT + "confirmed p.1.orders 0\nconfirmed p.1.orders 1\n", [GOOD + AUDITED]),
        (SENT, []),  # what was not confirmed may be lost
        (SENT + "sent p.1.orders 2", [GOOD]),  # a line that its writer did not finish
        (SENT, [GOOD + "received orders p.1.orders 0 1\n"]),
        (SENT, ["received orders p.1.orders 1 0\n", "received orders p.1.orders 0 0\n"]),
        (SENT + "rejected p.1.orders 0\n", [GOOD + "received rejected p.1.orders 0 0\n"]),
        (
            PRIORITIES,
            ["received urgent p.1.urgent 6 0\nreceived urgent p.1.urgent 0 0\n"],
        ),
    ],
)
def test_what_holds_is_found_to_hold(tmp_path: Path, sent: str, received: list[str]) -> None:
    assert verdict_on(tmp_path, sent, *received) == []


@pytest.mark.parametrize(
    ("sent", "received", "fault"),
    [
        (SENT + "confirmed p.1.orders 1\n", [GOOD], "lost though confirmed"),
        (SENT, [GOOD, GOOD], "twice without being redelivered"),
        (SENT, ["".join(reversed(GOOD.splitlines(keepends=True)))], "out of order"),
        ("", [GOOD], "received though never sent"),
        (SENT + "undone p.1.orders 1\n", [GOOD], "received though rolled back"),
        (SENT, ["received rejected p.1.orders 0 0\n"], "dead-lettered though not rejected"),
        ("fault ConnectionClosedByBroker\n", [], "a client met an error"),
        (
            PRIORITIES,
            ["received urgent p.1.urgent 5 0\nreceived urgent p.1.urgent 0 0\n"],
            "out of order",
        ),
    ],
)
def test_what_does_not_hold_is_named(
    tmp_path: Path, sent: str, received: list[str], fault: str
) -> None:
    assert verdict_on(tmp_path, sent, *received) == [fault]


def test_a_body_tells_whose_it_is_and_whether_it_is_whole() -> None:
    body = body_of("p.1.big", 7, 1000)
    assert identity(body) == ("p.1.big", 7)
    with pytest.raises(ValueError, match="not as it was sent"):
        identity(body[:-1])


@pytest.mark.parametrize(
    ("growth_mib", "bursts", "flat"), [(0, False, True), (0, True, True), (20, True, False)]
)
def test_memory_is_flat_where_its_floor_is(growth_mib: int, bursts: bool, flat: bool) -> None:
    """Messages that wait for a while are no growth; the floor is."""
    samples = []
    for second in range(600):
        base = 50 * MIB + (40 * MIB if second < 60 else 0) + growth_mib * MIB * second // 600
        burst = 30 * MIB if bursts and second % 20 < 15 else 0
        samples.append(Sample(float(second), base + burst, 10, 0.0))
    memory = memory_of(samples)
    assert memory.is_flat is flat
    assert memory.slope_per_hour / MIB == pytest.approx(growth_mib * 6, abs=1)
