"""Dead letters as people read them: groups in a table, letters one below the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leveret.cli.received import plain
from leveret.cli.screen import printable, show
from leveret.dead_letters.letter import RECORD_HEADERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from leveret.dead_letters.grouping import DeadLetterGroup
    from leveret.dead_letters.letter import DeadLetter
    from leveret.dead_letters.redrive import RedriveReport

__all__ = ["age", "group_to_dict", "groups_table", "report_to_dict", "show_letter", "show_report"]

#: Units of an age, largest first: letter, milliseconds.
_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000))

#: As much of a body, or of an error in the table, is shown: characters.
_BODY_CHARACTERS = 2000
_ERROR_CHARACTERS = 80


def age(ms: int | None) -> str:
    """Return how long something is ago, in its two largest units.

    >>> age(0), age(61_000), age(7_200_000), age(90_061_000), age(None)
    ('0s', '1m 1s', '2h', '1d 1h', '')
    """
    if ms is None:
        return ""
    ms = max(0, ms)
    for place, (unit, unit_ms) in enumerate(_UNITS):
        if ms >= unit_ms:
            whole, rest = divmod(ms, unit_ms)
            smaller, smaller_ms = _UNITS[min(place + 1, len(_UNITS) - 1)]
            more = rest // smaller_ms
            return f"{whole}{unit} {more}{smaller}" if more else f"{whole}{unit}"
    return "0s"


def groups_table(groups: Sequence[DeadLetterGroup], now_ms: int) -> Table:
    """Return groups as a table."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("messages", "oldest", "newest"):
        table.add_column(name, justify="right")
    names = list(groups[0].values) if groups else []
    for name in names:
        table.add_column(_HEADINGS[name], overflow="fold")
    for group in groups:
        ages = (None if at is None else now_ms - at for at in (group.oldest_ms, group.newest_ms))
        values = (_value(name, group.values[name]) for name in names)
        table.add_row(f"{group.count:,}", *map(age, ages), *map(Text, values))
    return table


# what letters are grouped by -> the heading of its column
_HEADINGS = {
    "reason": "reason",
    "queue": "died in",
    "first-queue": "first died in",
    "exchange": "exchange",
    "routing-key": "routing key",
    "error": "last error",
}


def _value(name: str, value: str | None) -> str:
    if name == "exchange" and value == "":
        return "(default)"
    text = printable((value or "").partition("\n")[0])
    return text if len(text) <= _ERROR_CHARACTERS else text[: _ERROR_CHARACTERS - 1] + "…"


def group_to_dict(group: DeadLetterGroup) -> dict[str, Any]:
    """Return a group as JSON values; times are in milliseconds since the Unix epoch."""
    values = {name.replace("-", "_"): value for name, value in group.values.items()}
    return values | {
        "messages": group.count,
        "body_bytes": group.body_bytes,
        "oldest_ms": group.oldest_ms,
        "newest_ms": group.newest_ms,
    }


def show_letter(number: int, letter: DeadLetter, now_ms: int) -> None:
    """Print a letter: what happened to it, its headers, its body."""
    from rich.text import Text

    when = letter.age_ms(now_ms)
    head = f"{number}. {letter.reason or 'no death on record'}"
    head += f" in queue '{letter.queue}'" if letter.queue else ""
    head += f", {age(when)} ago" if when is not None else ""
    show(Text(printable(head), style="bold"))
    exchange = f"exchange '{letter.exchange}'" if letter.exchange else "the default exchange"
    _line("published to", f"{exchange}, routing key '{letter.routing_key}'")
    if letter.message_id:
        _line("message id", letter.message_id)
    if letter.attempt is not None:
        _line("attempts", str(max(0, letter.attempt - 1)))
    if letter.error:
        _line("last error", letter.error)
    for death in letter.deaths:
        since = "" if death.time_ms is None else f", first {age(now_ms - death.time_ms)} ago"
        times = "once" if death.count == 1 else f"{death.count:,} times"
        _line("died", f"{death.reason} in queue '{death.queue}' {times}{since}")
    for name, value in letter.headers.items():
        if name not in RECORD_HEADERS:
            _line("header", f"{name}: {value if isinstance(value, str) else plain_text(value)}")
    try:
        body = letter.body.decode()
    except UnicodeDecodeError:
        body = repr(letter.body)
    cut = body[:_BODY_CHARACTERS]
    more = f"… ({len(body) - len(cut):,} more)" if len(body) > len(cut) else ""
    show("".join(f"   {printable(line)}\n" for line in (cut + more).splitlines()))


def plain_text(value: object) -> str:
    """Return a header's value as JSON text."""
    import json

    return json.dumps(value, ensure_ascii=False, default=plain)


def _line(name: str, text: str) -> None:
    from rich.text import Text

    show(Text.assemble((f"   {name}: ", "dim"), printable(text)))


def show_report(report: RedriveReport) -> None:
    """Print what came of a redrive."""
    verb = "would be redriven" if report.dry_run else "redriven"
    total = sum(report.refused.values())
    show(f"{report.redriven:,} {verb}, {total:,} refused, {report.left:,} left")
    for address, count in report.targets.items():
        show(f"  {count:,} to {printable(str(address))}")
    for reason, count in report.refused.items():
        show(f"  {count:,} stay{'s' if count == 1 else ''}: {printable(reason)}")


def report_to_dict(report: RedriveReport) -> dict[str, Any]:
    """Return a report as JSON values."""
    return {
        "redriven": report.redriven,
        "refused": sum(report.refused.values()),
        "left": report.left,
        "dry_run": report.dry_run,
        "targets": [
            {"exchange": to.exchange, "routing_key": to.routing_key, "messages": count}
            for to, count in report.targets.items()
        ],
        "refusals": [
            {"reason": reason, "messages": count} for reason, count in report.refused.items()
        ],
    }
