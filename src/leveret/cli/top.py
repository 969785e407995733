"""`leveret top`: a live table of a broker's queues.

What it shows is what any client may ask for: a passive declare tells how many messages a queue has
ready and how many consumers. So it works with RabbitMQ as well, and needs no management plugin.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click
from attrs import asdict, define, field, frozen

from leveret.cli.client import broker_url, run_client, until_signalled, virtual_host_of
from leveret.cli.screen import printable, show, show_json
from leveret.cli.topologies import TOPOLOGY_FILE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from aio_pika.abc import AbstractChannel, AbstractConnection
    from rich.table import Table

__all__ = ["top"]


@frozen
class Reading:
    """One queue at one time; the figures are None, and `problem` says why, where it has none.

    `change_per_s` is by how many ready messages it grew in a second since the reading before.
    """

    queue: str
    ready: int | None = None
    consumers: int | None = None
    change_per_s: float | None = None
    problem: str | None = None


@define(eq=False)
class Watch:
    """Reads queues again and again over one connection."""

    connection: AbstractConnection
    queues: Sequence[str]
    _channel: AbstractChannel | None = field(default=None, init=False)
    # queue -> ready messages, and when they were counted
    _before: dict[str, tuple[int, float]] = field(factory=dict, init=False)

    async def read(self) -> list[Reading]:
        """Return a reading of every queue."""
        return [await self._read(queue) for queue in self.queues]

    async def _read(self, queue: str) -> Reading:
        from aio_pika.exceptions import ChannelClosed

        if self._channel is None or self._channel.is_closed:
            self._channel = await self.connection.channel()
        try:
            declared = (await self._channel.declare_queue(queue, passive=True)).declaration_result
        except ChannelClosed as error:  # 404, or 405 for another connection's exclusive queue
            self._before.pop(queue, None)
            return Reading(queue, problem=str(error))
        now_s, ready = time.monotonic(), declared.message_count or 0
        before = self._before.get(queue)
        self._before[queue] = (ready, now_s)
        change = None if before is None else (ready - before[0]) / max(now_s - before[1], 1e-3)
        return Reading(queue, ready, declared.consumer_count, change)


@click.command()
@click.argument("url", type=broker_url)
@click.argument("file", required=False, type=TOPOLOGY_FILE)
@click.option(
    "--queue", "-q", "queues", metavar="NAME", multiple=True, help="Watch this queue too."
)
@click.option(
    "--interval",
    "interval_s",
    type=click.FloatRange(0.1),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="How often to look.",
)
@click.option("--once", is_flag=True, help="Look once, print, and end.")
@click.option("--json", "as_json", is_flag=True, help="Look once and print as JSON.")
def top(
    url: str,
    file: Path | None,
    queues: tuple[str, ...],
    interval_s: float,
    once: bool,
    as_json: bool,
) -> None:
    """Watch the queues that FILE declares, or those named, on the broker at URL.

    Shown are the ready messages, how fast their number changes, and the consumers. Ctrl-C ends
    it. Where standard output is no terminal it looks once.

    Exit status: 0, 1 when FILE has faults or the broker went away, 2 when it could not be reached.
    """
    names = _names(file, virtual_host_of(url), queues)
    if not names:
        raise click.UsageError("no queue to watch: give a FILE that declares some, or --queue")

    async def look(connection: AbstractConnection) -> None:
        watch = Watch(connection, names)
        if as_json:
            show_json([asdict(reading) for reading in await watch.read()])
        elif once or not sys.stdout.isatty():
            show(_table(await watch.read()))
        else:
            await until_signalled(_live(watch, interval_s))

    run_client(url, look)


def _names(file: Path | None, virtual_host: str, queues: tuple[str, ...]) -> list[str]:
    names: list[str] = []
    if file is not None:
        from leveret.cli.topologies import open_broker_or_exit

        _, topology = open_broker_or_exit(file)
        declared = topology.virtual_hosts.get(virtual_host)
        names += declared.queues if declared is not None else ()
    return list(dict.fromkeys([*names, *queues]))


async def _live(watch: Watch, interval_s: float) -> None:
    import asyncio

    from rich.live import Live

    with Live(screen=True, auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            live.update(_table(await watch.read()), refresh=True)
            await asyncio.sleep(interval_s)


def _table(readings: Sequence[Reading]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("queue", overflow="fold")
    for name in ("ready", "change/s", "consumers"):
        table.add_column(name, justify="right")
    table.add_column("", overflow="fold")
    for reading in readings:
        table.add_row(
            Text(printable(reading.queue)),
            _count(reading.ready),
            _change(reading.change_per_s),
            _count(reading.consumers),
            Text(printable(reading.problem or ""), style="red"),
        )
    return table


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _change(per_s: float | None) -> str:
    return "" if per_s is None else f"{per_s:+,.0f}" if per_s else "0"
