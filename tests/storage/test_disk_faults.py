"""A disk that refuses any call, or loses its power at any call: no promise is broken.

What each commit promised is compared with what is there after a crash (`stored_conversations`). A
failure names the seed of its conversation and the call.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import apsw
import pytest
from attrs import define, field
from faulty_disk import Disk, SqliteOn
from stored_conversations import QUEUES, STEPS, World, reach_what_is_rare, seen_in

from leveret import Broker, ManualClock
from leveret.storage import Storage, StorageError, database

if TYPE_CHECKING:
    from stored_conversations import Kept

#: Multiplies the number of conversations.
FACTOR = int(os.environ.get("LEVERET_MODEL_FACTOR", "1"))


@define
class DiskWorld(World):
    """A world whose disk may refuse."""

    disk: Disk = field(kw_only=True)
    is_open: bool = False
    #: What may be there after a crash, and its time: what the last commit promised, or a group
    #: whose write was refused.
    possible: list[tuple[int, dict[str, list[Kept]]]] = field(factory=lambda: [(0, {})])

    def open(self) -> None:
        """Open the directory; a disk that refuses is asked again."""
        while True:
            self.broker = Broker(clock=self.clock)
            try:
                self.storage = Storage.open(self.broker, self.directory)
                break
            except StorageError:
                if self.disk.is_cut:
                    raise
        self.is_open = True
        self.channel = self.broker.channel()
        self.consumers = []

    def step(self, what: str, name: str, number: int) -> None:
        """Do a step; what a group holds that is ended is known before."""
        if what == "seal":
            self.possible.append((self.clock.now_ms(), self.seen()))
        super().step(what, name, number)

    def commit(self) -> None:
        """Flush; what may be there afterwards is known before."""
        self.possible.append((self.clock.now_ms(), self.seen()))
        self.storage.flush()
        self.possible = [(self.clock.now_ms(), self.seen())]

    def crash(self) -> None:
        """Lose what was not written, and go on with what is there."""
        self.close()
        self.judge(Path(self.directory))
        self.open()
        self.possible.append((self.clock.now_ms(), self.seen()))

    def close(self) -> None:
        """Let the directory go; nothing more is written."""
        if self.is_open:
            self.is_open = False
            self.storage.database.close()

    def judge(self, directory: Path) -> None:
        """Assert that a directory opens, and holds what it may hold."""
        found = []
        for now_ms, wanted in self.possible:
            copy = directory.with_name("copy")
            shutil.copytree(directory, copy)
            with pytest.MonkeyPatch.context() as context:
                context.setattr(database, "sqlite3", sqlite3)
                broker = Broker(clock=ManualClock(now_ms), data=copy)
                found.append(seen_in(broker, []))
                broker.close()
            shutil.rmtree(copy)
            if found[-1] == wanted:
                return
        assert found == [wanted for _, wanted in self.possible]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    reach_what_is_rare(monkeypatch)
    # apsw tells of each refusal that SQLite deals with and does not pass on
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)


def converse(seed: int, directory: Path, disk: Disk, steps: int = 40) -> DiskWorld:
    """Lead one conversation; refusals are passed over, until the power is gone."""
    chance = random.Random(seed)
    world = DiskWorld(str(directory / "data"), disk=disk)
    names = chance.sample(list(QUEUES), 2)
    with pytest.MonkeyPatch.context() as context:
        context.setattr(database, "sqlite3", SqliteOn(disk))
        with suppress(StorageError):
            world.begin()
        for _ in range(steps):
            if disk.is_cut:
                break
            (what,) = chance.choices(list(STEPS), list(STEPS.values()))
            with suppress(StorageError):
                world.step(what, chance.choice(names), chance.randrange(100))
        disk.refused = range(0)
        if not disk.is_cut:
            with suppress(*[StorageError] if disk.cut_at else []):
                world.commit()
                world.crash()
        world.close()
    return world


def calls_of(seed: int, directory: Path) -> int:
    """Return how many calls of the disk a conversation is."""
    disk = Disk()
    converse(seed, directory / "undisturbed", disk)
    return disk.calls


#: Every second call of one conversation, and of others each so many.
SEEDS = [(0, 2), *((seed, 23) for seed in range(1, 1 + 4 * FACTOR))]


@pytest.mark.parametrize("error", [apsw.FullError, apsw.IOError], ids=["full", "broken"])
@pytest.mark.parametrize(("seed", "stride"), SEEDS)
def test_whichever_call_the_disk_refuses_no_promise_is_broken_and_work_goes_on(
    tmp_path: Path, seed: int, stride: int, error: type[apsw.Error]
) -> None:
    for at in range(1 + seed % stride, calls_of(seed, tmp_path), stride):
        disk = Disk()
        # one call, or a few in a row: an attempt to undo is refused as well
        disk.refused = range(at, at + 1 + at % 4)
        disk.error = error
        try:
            converse(seed, tmp_path / str(at), disk)
        except BaseException as failure:
            failure.add_note(f"seed {seed}, calls refused: {disk.refused}")
            raise


@pytest.mark.parametrize(("seed", "stride"), SEEDS)
def test_at_whichever_call_the_power_goes_what_was_promised_is_there(
    tmp_path: Path, seed: int, stride: int
) -> None:
    for at in range(1 + seed % stride, calls_of(seed, tmp_path), stride):
        disk = Disk()
        disk.cut_at = at
        try:
            world = converse(seed, tmp_path / str(at), disk)
            disk.after_power_cut(tmp_path / f"{at}-left", random.Random(at))
            world.judge(tmp_path / f"{at}-left")
        except BaseException as failure:
            failure.add_note(f"seed {seed}, power cut at call {at}")
            raise
