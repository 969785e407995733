"""Lives one after the other in one directory, and what their effects must come to."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import define, field
from sqlalchemy.orm import Session

from benchmarks.crash_worker.life import shop

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

__all__ = ["Run", "judge"]

#: Keys, whose messages are to be handled in order.
USERS = [f"user {number}" for number in range(10)]
#: Messages that are written into the outbox for each life.
MESSAGES = 30
#: One life of so many is killed at any moment of its start, the others at work.
STARTING = 7
ROOT = Path(__file__).parents[2]


@define(eq=False)
class Run:
    """One directory, in which lives go on with what the one before left."""

    folder: Path
    mode: str
    chance: random.Random
    longest: float
    tell: Callable[[str], object]
    # user -> how many messages were written for it
    written: Counter[str] = field(factory=Counter, init=False)
    counts: Counter[str] = field(factory=Counter, init=False)
    faults: defaultdict[str, list[str]] = field(factory=lambda: defaultdict(list), init=False)

    def go(self, kills: int) -> None:
        """Kill so many lives, let the last one end by itself, and judge."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for life in range(1, kills + 1):
            self.write()
            self.kill(at_start=life % STARTING == 0)
            self.tell(f"{self.mode}: killed {life} of {kills}")
        process = self.start("drain")
        process.communicate(timeout=600)
        if process.returncode:
            self.faults["the last life failed"].append(f"exit status {process.returncode}")
        self.look()

    def write(self) -> None:
        """Write messages for the next life into the outbox."""
        outbox, engine = shop(self.folder)
        with Session(engine) as session:
            for _ in range(MESSAGES):
                user = self.chance.choice(USERS)
                self.written[user] += 1
                outbox.add(session, "accounts", "mail", str(self.written[user]), key=user)
            session.commit()
        engine.dispose()

    def start(self, how: str) -> subprocess.Popen[str]:
        """Begin a life."""
        command = [
            sys.executable,
            *("-m", "benchmarks.crash_worker.life", str(self.folder), self.mode, how),
        ]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)

    def kill(self, *, at_start: bool) -> None:
        """Begin a life and end it with SIGKILL at a random moment."""
        process = self.start("go-on")
        assert process.stdout is not None
        ready = "" if at_start else process.stdout.readline()
        time.sleep(self.chance.random() * self.longest)
        if process.poll() is not None or (not at_start and not ready):
            self.faults["a life ended by itself"].append(f"exit status {process.wait()}")
        process.kill()
        process.communicate()
        self.counts["kills"] += 1

    def look(self) -> None:
        """Judge the effects, and count."""
        sql = sqlite3.connect(self.folder / "shop.db")
        effects = sql.execute("SELECT user, number, redelivered FROM effects ORDER BY rowid")
        # user -> the numbers of its effects, in order
        numbers: defaultdict[str, list[int]] = defaultdict(list)
        for user, number, redelivered in effects:
            numbers[user].append(number)
            self.counts["effects"] += 1
            self.counts["effects of redelivered messages"] += redelivered
        sql.close()
        self.counts["messages"] = self.written.total()
        self.counts["repeated effects"] = sum(len(its) - len(set(its)) for its in numbers.values())
        for kind, text in judge(self.written, numbers, is_once=self.mode == "once"):
            self.faults[kind].append(text)


def judge(
    written: Counter[str], numbers: defaultdict[str, list[int]], *, is_once: bool
) -> list[tuple[str, str]]:
    """Return what is wrong with effects, given by user in their order: kind of fault, and where."""
    faults = []
    for user, count in written.items():
        its = numbers[user]
        firsts = list(dict.fromkeys(its))
        missing = sorted({*range(1, count + 1)} - {*its})
        if missing:
            faults.append(("no effect", f"{user}: {missing}"))
        if firsts != sorted(firsts):
            faults.append(("out of order", f"{user}: {firsts}"))
        if is_once and len(its) != len(firsts):
            twice = [number for number, times in Counter(its).items() if times > 1]
            faults.append(("an effect twice", f"{user}: {twice}"))
    return faults
