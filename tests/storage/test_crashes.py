"""Any conversation, with crashes anywhere: what comes back is what was there at the last commit.

A failure names the seed of its conversation.
"""

from __future__ import annotations

import os
import random
import tempfile

import pytest
from stored_conversations import QUEUES, STEPS, World, reach_what_is_rare

#: Multiplies the number of conversations.
FACTOR = int(os.environ.get("LEVERET_MODEL_FACTOR", "1"))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    reach_what_is_rare(monkeypatch)


def converse(seed: int, directory: str, steps: int = 150) -> None:
    """Lead one conversation: all of it follows from the seed."""
    chance = random.Random(seed)
    world = World(directory)
    world.begin()
    names = chance.sample(list(QUEUES), 2)
    for _ in range(steps):
        (what,) = chance.choices(list(STEPS), list(STEPS.values()))
        world.step(what, chance.choice(names), chance.randrange(100))
    world.crash()
    world.storage.close()


@pytest.mark.parametrize("block", range(4))
def test_what_a_commit_promised_comes_back_after_any_crash(block: int) -> None:
    count = 50 * FACTOR
    for seed in range(block * count, (block + 1) * count):
        with tempfile.TemporaryDirectory() as directory:
            try:
                converse(seed, directory)
            except BaseException as error:
                error.add_note(f"replay it: converse({seed}, directory) in {__file__}")
                raise
