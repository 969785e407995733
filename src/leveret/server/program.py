"""A server as a program: it runs until a signal ends it, and says when it is ready.

SIGTERM and SIGINT stop it, a second one by force; SIGHUP has it read its files again.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from attrs import define, field

from leveret.server.logs import tell

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from leveret.server.listener import Server

__all__ = ["Program", "run_program"]


@define(eq=False)
class Program:
    """One run of a server.

    `listen` starts it; `ready` is told its URLs; `reload` is awaited on SIGHUP. `ready_file` has
    the URLs, one a line, from when clients can connect until the server stops.
    """

    server: Server
    listen: Callable[[Server], Awaitable[None]]
    ready: Callable[[list[str]], object]
    reload: Callable[[Server], Awaitable[None]]
    ready_file: Path | None = None
    _stopping: asyncio.Event = field(factory=asyncio.Event, init=False)
    _forced: bool = field(default=False, init=False)
    # Reloads come one after the other.
    _reloading: asyncio.Lock = field(factory=asyncio.Lock, init=False)
    _reloads: set[asyncio.Task[None]] = field(factory=set, init=False)

    async def run(self) -> bool:
        """Serve until a signal comes; say whether every client was let go in peace.

        Raises:
            OSError: an address cannot be listened on, or a file not be read or written.

        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        try:
            await self.listen(self.server)
            _spare_the_collector()
            with _announced(self.ready_file, self.server.urls):
                self.ready(self.server.urls)
                await self._stopping.wait()
        finally:
            await self.server.stop()
        tell(logging.INFO, "stopped", forced=self._forced or None)
        return not self._forced

    def _stop(self, number: signal.Signals) -> None:
        if self._stopping.is_set():
            self._forced = True
            self.server.abort()
            return
        tell(logging.INFO, "stopping", signal=signal.Signals(number).name)
        self._stopping.set()

    def _hang_up(self) -> None:
        task = asyncio.get_running_loop().create_task(self._reload_in_turn())
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    async def _reload_in_turn(self) -> None:
        async with self._reloading:
            await self.reload(self.server)


def run_program(program: Callable[[], Program]) -> bool:
    """Make a program within an event loop and run it: uvloop's loop where it is installed.

    Raises:
        OSError: see `Program.run`.

    """

    async def run() -> bool:
        return await program().run()

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(run())


def _spare_the_collector() -> None:
    """Have garbage in cycles looked for more seldom.

    Measured: a million messages that wait are looked through again and again, which takes a
    quarter of what a publish costs. Messages are in no cycles; connections are.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


@contextmanager
def _announced(file: Path | None, urls: list[str]) -> Iterator[None]:
    """Have a file hold the URLs for a while; whoever sees it sees all of it."""
    if file is None:
        yield
        return
    unfinished = file.with_name(f"{file.name}.{os.getpid()}")
    unfinished.write_text("".join(f"{url}\n" for url in urls), encoding="utf-8")
    unfinished.replace(file)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)
