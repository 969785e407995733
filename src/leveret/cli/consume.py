"""`leveret consume`: print a queue's messages as they come."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from leveret.cli.client import Refused, broker_url, run_client, until_signalled

if TYPE_CHECKING:
    from aio_pika.abc import AbstractConnection
    from aiormq.abc import DeliveredMessage

__all__ = ["consume"]


@click.command()
@click.argument("url", type=broker_url)
@click.argument("queue")
@click.option("--count", "-n", type=click.IntRange(1), metavar="N", help="End after N messages.")
@click.option(
    "--prefetch",
    type=click.IntRange(1, 65535),
    default=100,
    show_default=True,
    metavar="N",
    help="How many messages the broker may send ahead.",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the messages to this file.",
)
def consume(url: str, queue: str, count: int | None, prefetch: int, output: Path | None) -> None:
    """Print messages of QUEUE of the broker at URL as they come, each as a line of JSON.

    A message is acknowledged when its line is written. Ctrl-C ends it, and so does --count.

    Exit status: 0 when it was ended so, 1 when the broker refused or the queue was deleted, 2 when
    it could not be reached.
    """
    import asyncio

    from leveret.cli.counting import Counting
    from leveret.cli.received import message_line, opened_output

    async def receive(connection: AbstractConnection) -> None:
        channel = await (await connection.channel()).get_underlay_channel()
        arrived: asyncio.Queue[DeliveredMessage | None] = asyncio.Queue()
        channel.on_consumer_cancel_callbacks.add(lambda _: arrived.put_nowait(None))
        channel.closing.add_done_callback(lambda _: arrived.put_nowait(None))
        await channel.basic_qos(prefetch_count=prefetch)
        await channel.basic_consume(queue, arrived.put)
        counting = Counting("consuming", count, hidden=output is None)
        with opened_output(output) as stream:
            try:
                while count is None or counting.done < count:
                    message = await arrived.get()
                    if message is None:
                        raise Refused(f"queue '{queue}' is not there any more")
                    print(message_line(message), file=stream, flush=output is None)
                    assert message.delivery_tag is not None
                    await channel.basic_ack(message.delivery_tag)
                    counting.advance()
            finally:
                counting.stop()

    async def receive_until_signalled(connection: AbstractConnection) -> None:
        await until_signalled(receive(connection))

    run_client(url, receive_until_signalled)
