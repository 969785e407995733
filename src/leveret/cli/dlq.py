"""`leveret dlq`: the dead letters in a queue of any broker: list, show, redrive."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import click

from leveret.cli.client import at_first_signal, broker_url, run_client
from leveret.cli.dlq_options import with_selection
from leveret.cli.screen import show, show_json
from leveret.dead_letters.grouping import DEFAULT_KEYS, GROUP_KEYS
from leveret.dead_letters.rate import parse_rate
from leveret.dead_letters.redrive import BACK_TO, RedrivePlan, Tally

if TYPE_CHECKING:
    from aio_pika.abc import AbstractConnection

    from leveret.dead_letters.grouping import DeadLetterGroup
    from leveret.dead_letters.redrive import RedriveReport
    from leveret.dead_letters.selection import Selection

__all__ = ["dlq"]

#: How many letters `show` prints where nothing else is said.
FEW = 10


@click.group()
def dlq() -> None:
    """Work with the dead letters in a queue of a broker."""


@dlq.command("list")
@click.argument("url", type=broker_url)
@click.argument("dead_letter_queue", metavar="QUEUE")
@click.option(
    "--by",
    metavar="WHAT",
    multiple=True,
    type=click.Choice(list(GROUP_KEYS)),
    help=f"Group by this alone; may be given again: {', '.join(GROUP_KEYS)}.",
)
@with_selection
@click.option("--json", "as_json", is_flag=True, help="Print the groups as JSON.")
def list_(
    url: str, dead_letter_queue: str, by: tuple[str, ...], selection: Selection, as_json: bool
) -> None:
    """Count the dead letters in QUEUE of the broker at URL: why, where from, since when.

    The queue is left as it was.

    Exit status: 0, 1 when the broker refused, 2 when it could not be reached.
    """
    from leveret.cli.dlq_text import group_to_dict, groups_table

    now_ms = time.time_ns() // 1_000_000

    async def count(connection: AbstractConnection) -> tuple[int, list[DeadLetterGroup]]:
        from leveret.cli.dlq_reading import Walk, letter_of
        from leveret.dead_letters.grouping import Grouping

        grouping = Grouping(by or DEFAULT_KEYS)
        async with Walk(connection, dead_letter_queue) as walk:
            async for message in walk.messages():
                letter = letter_of(message)
                if selection.matches(letter, now_ms):
                    grouping.add(letter)
            return walk.seen, grouping.groups()

    seen, groups = run_client(url, count)
    if as_json:
        show_json([group_to_dict(group) for group in groups])
        return
    if groups:
        show(groups_table(groups, now_ms))
    meant = sum(group.count for group in groups)
    show(f"{meant:,} of {seen:,} messages" if meant < seen else f"{seen:,} messages")


@dlq.command("show")
@click.argument("url", type=broker_url)
@click.argument("dead_letter_queue", metavar="QUEUE")
@with_selection
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=FEW,
    show_default=True,
    metavar="N",
    help="How many to show.",
)
@click.option("--all", "every", is_flag=True, help="Show all.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print each as a line of JSON, as `leveret get` does.",
)
@click.pass_context
def show_command(
    context: click.Context,
    url: str,
    dead_letter_queue: str,
    selection: Selection,
    limit: int,
    every: bool,
    as_json: bool,
) -> None:
    """Show the dead letters in QUEUE of the broker at URL: history, headers, body.

    The queue is left as it was.

    Exit status: 0 when there was one, 1 when there was none or the broker refused, 2 when it
    could not be reached.
    """
    from leveret.cli.dlq_text import show_letter
    from leveret.cli.received import message_line

    now_ms = time.time_ns() // 1_000_000

    async def print_each(connection: AbstractConnection) -> int:
        from leveret.cli.dlq_reading import Walk, letter_of

        shown = 0
        async with Walk(connection, dead_letter_queue) as walk:
            async for message in walk.messages():
                letter = letter_of(message)
                if not selection.matches(letter, now_ms):
                    continue
                shown += 1
                if as_json:
                    click.echo(message_line(message))
                else:
                    show_letter(shown, letter, now_ms)
                if shown == limit and not every:
                    break
        return shown

    context.exit(0 if run_client(url, print_each) else 1)


def _rate(context: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
    try:
        return None if text is None else parse_rate(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@dlq.command()
@click.argument("url", type=broker_url)
@click.argument("dead_letter_queue", metavar="QUEUE")
@click.option("--to", metavar="NAME", help="Send all to this queue.")
@click.option(
    "--back-to",
    type=click.Choice(BACK_TO),
    default=BACK_TO[0],
    show_default=True,
    help="Send each to the queue of its last death, or its first, or where it was published.",
)
@with_selection
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Send no more than N.")
@click.option("--rate", callback=_rate, metavar="RATE", help="Send no faster: 50/s, 600/m, 100/h.")
@click.option("--dry-run", is_flag=True, help="Only say what would go where.")
@click.option("--keep-headers", is_flag=True, help="Keep the headers that tell of the deaths.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
@click.pass_context
def redrive(
    context: click.Context,
    url: str,
    dead_letter_queue: str,
    to: str | None,
    back_to: str,
    selection: Selection,
    limit: int | None,
    rate: float | None,
    dry_run: bool,
    keep_headers: bool,
    as_json: bool,
) -> None:
    """Send the dead letters in QUEUE of the broker at URL back to work.

    Each is published and confirmed before it leaves QUEUE, so that none is lost; if the command is
    killed, letters that were on their way, at most 100, may be in both places. All others go back
    where they were. Ctrl-C waits for those on their way.

    Exit status: 0 when all that were meant were sent, 1 when some were not, 2 when the broker could
    not be reached.
    """
    from leveret.cli.dlq_text import report_to_dict, show_report

    try:
        plan = RedrivePlan(dead_letter_queue, to, back_to, keep_headers)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    user = unquote(urlsplit(url).username or "guest")

    async def send(connection: AbstractConnection) -> tuple[RedriveReport, bool]:
        from leveret.cli.dlq_redriving import Redrive

        work = Redrive(connection, plan, user, limit, rate, Tally(dry_run))
        at_first_signal(work.stop)
        report = await work.run(selection)
        if work.renamed:
            click.echo(
                f"note: {work.renamed:,} had another user's user_id, which only that user may"
                " send: it was left out",
                err=True,
            )
        return report, work.stopped

    report, interrupted = run_client(url, send)
    if as_json:
        show_json(report_to_dict(report))
    else:
        show_report(report)
    if interrupted:
        click.echo("note: interrupted; what was not sent is where it was", err=True)
    context.exit(1 if interrupted or report.refused else 0)
