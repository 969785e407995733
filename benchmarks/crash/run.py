"""The lives of one directory: start, load, kill, judge, again."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from attrs import define, field

from benchmarks.crash.books import Books
from benchmarks.crash.judge import judge
from benchmarks.crash.load import Life
from benchmarks.soak.server import WatchedServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from random import Random

__all__ = ["Run"]

#: How many servers are killed while they start.
STARTING = 0.15


@define(eq=False)
class Run:
    """Kills a server again and again. One seed makes the same choices, at moments of its own."""

    folder: Path
    random: Random
    #: How long a server is under load at most, in seconds.
    longest_s: float
    tell: Callable[[str], object]
    books: Books = field(factory=Books, init=False)
    _starts_in_s: float = field(default=1.0, init=False)

    def go(self, kills: int) -> None:
        """Kill so often, or until something is wrong."""
        data = self.folder / "data"
        server = WatchedServer(self.folder, ["--data", str(data)], topology=None)
        for number in range(kills):
            was_starting = self.random.random() < STARTING
            self._live(server, number, was_starting=was_starting)
            if not data.exists():
                continue
            kept = judge(self.books, data, self.folder / "copy")
            when = "starting" if was_starting else "serving"
            self.tell(f"life {number}: killed while {when}, {kept} messages kept")
            if self.books.faults:
                return

    def _live(self, server: WatchedServer, number: int, *, was_starting: bool) -> None:
        server.start()
        began = time.monotonic()
        if was_starting:
            time.sleep(self.random.uniform(0, self._starts_in_s))
            server.kill()
            return
        try:
            server.wait_until_ready()
        except RuntimeError as error:
            self.books.fault("the server did not start", error)
            return
        self._starts_in_s = time.monotonic() - began
        life = Life(self.books, self.random, number, server.port, server.kill)
        asyncio.run(life.live(self.random.uniform(0.02, self.longest_s)))
        if complaints := server.complaints():
            self.books.fault("the server's log", complaints)
