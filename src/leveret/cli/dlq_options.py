"""Options that say which dead letters are meant, shared by the commands of `leveret dlq`."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import click

from leveret.cli.options import written_headers
from leveret.dead_letters.selection import PRESENT, Selection

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["duration", "with_selection"]


def duration(context: click.Context, parameter: click.Parameter, text: str | None) -> int | None:
    """Return milliseconds of an option's text such as 30s, 5m or 2d."""
    if text is None:
        return None
    from leveret.config.quantities import QuantityError, parse_duration

    try:
        return parse_duration(text)
    except QuantityError as error:
        raise click.BadParameter(f"'{text}' {error}: {error.remedy}") from None


_OPTIONS = (
    click.option(
        "--reason",
        metavar="REASON",
        help="Only what died of this: rejected, expired, maxlen or delivery_limit.",
    ),
    click.option("--queue", "died_in", metavar="NAME", help="Only what died in this queue."),
    click.option(
        "--exchange", metavar="NAME", help="Only what was first published to this exchange."
    ),
    click.option(
        "--routing-key",
        metavar="PATTERN",
        help="Only what was first published with a routing key like this: order.*.paid, order.#.",
    ),
    click.option(
        "--header",
        "headers",
        metavar="NAME[=VALUE]",
        multiple=True,
        help="Only what has this header, with this value; the value is read as YAML.",
    ),
    click.option(
        "--older-than",
        metavar="DURATION",
        callback=duration,
        help="Only what died longer ago than this: 30s, 5m, 1h, 2d.",
    ),
    click.option(
        "--newer-than", metavar="DURATION", callback=duration, help="Only what died since."
    ),
    click.option("--body", metavar="TEXT", help="Only what has this text in its body."),
    click.option("--error", metavar="TEXT", help="Only what has this text in its last error."),
    click.option("--message-id", metavar="ID", help="Only the message with this id."),
)


def with_selection(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of a selection, as one argument `selection`."""

    @functools.wraps(command)
    def wrapped(
        *arguments: Any,
        died_in: str | None,
        headers: tuple[str, ...],
        older_than: int | None,
        newer_than: int | None,
        **rest: Any,
    ) -> Any:
        criteria = {
            name: rest.pop(name)
            for name in ("reason", "exchange", "routing_key", "body", "error", "message_id")
        }
        wanted = dict.fromkeys((name for name in headers if "=" not in name), PRESENT)
        wanted |= written_headers(tuple(pair for pair in headers if "=" in pair)) or {}
        selection = Selection(
            queue=died_in,
            headers=wanted,
            older_than_ms=older_than,
            newer_than_ms=newer_than,
            **criteria,
        )
        return command(*arguments, selection=selection, **rest)

    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped
