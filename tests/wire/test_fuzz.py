"""Random, truncated and mutated frames: a few thousand each run; `fuzz.py` beside this tries more.

No exception leaves the state machine, nothing is kept without bound, the client is told or
dropped, and others do not notice.
"""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from raw_amqp.hostile import OPENING, Target, corpus, spoil

STREAMS = corpus()


@pytest.mark.parametrize("seed", range(4))
def test_spoiled_streams_are_survived(seed: int) -> None:
    random, target = Random(seed), Target(lifetime=100)
    for _ in range(400):
        target.run(spoil(random, STREAMS), piece_bytes=random.choice((0, 0, 0, 7, 100)))
    target.check()


def test_every_scenario_is_survived_up_to_any_byte() -> None:
    target = Target(lifetime=2000)
    random = Random(1)
    for stream in STREAMS:
        for _ in range(4):
            target.run(stream[: random.randrange(len(stream) + 1)])
    target.check()


@given(st.lists(st.binary(max_size=50), max_size=4))
@example([b"\x01\0\x01\0\0\0\x05\0\x3c\0\x28\0\xce"])
def test_random_bytes_behind_an_open_connection_are_survived(parts: list[bytes]) -> None:
    target = Target()
    target.run(b"".join(parts))
    target.check()


@given(st.integers(0, len(OPENING)), st.binary(max_size=30))
def test_a_handshake_that_turns_into_noise_is_survived(cut: int, noise: bytes) -> None:
    target = Target()
    target.begin(OPENING[:cut] + noise)
    target.check()
