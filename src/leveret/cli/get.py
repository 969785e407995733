"""`leveret get`: take messages from a queue of a broker."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from leveret.cli.client import broker_url, run_client

if TYPE_CHECKING:
    from aio_pika.abc import AbstractConnection

__all__ = ["get"]


@click.command()
@click.argument("url", type=broker_url)
@click.argument("queue")
@click.option(
    "--count",
    "-n",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="N",
    help="How many messages to take.",
)
@click.option("--all", "every", is_flag=True, help="Take messages until the queue is empty.")
@click.option("--requeue", is_flag=True, help="Put the messages back, where they were.")
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the messages to this file.",
)
@click.pass_context
def get(
    context: click.Context,
    url: str,
    queue: str,
    count: int,
    every: bool,
    requeue: bool,
    output: Path | None,
) -> None:
    """Take messages from QUEUE of the broker at URL and print each as a line of JSON.

    A message is acknowledged when its line is written. Lines are what `leveret publish` and
    `leveret run` read.

    Exit status: 0 when there was a message, 1 when there was none or the broker refused, 2 when it
    could not be reached.
    """
    from leveret.cli.counting import Counting
    from leveret.cli.received import message_line, opened_output

    async def take(connection: AbstractConnection) -> int:
        channel = await (await connection.channel()).get_underlay_channel()
        wanted = None if every else count
        counting = Counting("getting", wanted, hidden=output is None)
        last_tag = 0
        with opened_output(output) as stream:
            try:
                while wanted is None or counting.done < wanted:
                    message = await channel.basic_get(queue)
                    if message.delivery_tag is None:
                        break
                    last_tag = message.delivery_tag
                    print(message_line(message), file=stream, flush=output is None)
                    if not requeue:
                        await channel.basic_ack(last_tag)
                    counting.advance()
            finally:
                counting.stop()
        if requeue and last_tag:
            await channel.basic_nack(last_tag, multiple=True, requeue=True)
        return counting.done

    context.exit(0 if run_client(url, take) else 1)
