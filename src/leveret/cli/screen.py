"""What people see: tables, route trees and faults, in colour on a terminal and plain elsewhere."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

    from leveret.cli.report import QueueReport, RunReport, UnroutableReport
    from leveret.errors import Fault

__all__ = [
    "printable",
    "shorten",
    "show",
    "show_error",
    "show_explanation",
    "show_faults",
    "show_json",
    "show_report",
    "show_route",
]

_PLAIN_WIDTH = 100_000  # a file or a pipe has no width: nothing is wrapped or cut
_EXCERPT_CHARACTERS = 100  # of a source line, around its fault
_NEAREST = "  ◀ nearest miss"
# the mark of a branch of a drawn route -> the style of the mark, the style of what follows
_MARK_STYLES = {
    "✔": ("bold green", ""),
    "✘": ("red", "dim"),
    "?": ("bold yellow", ""),
    "↪": ("bold yellow", ""),
    "…": ("dim", "dim"),
}


def show_json(value: object) -> None:
    """Print `value` as JSON to stdout, readable by people too."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def show_faults(faults: Iterable[Fault]) -> None:
    """Print each fault to stderr: its place, what is wrong, the line with a caret, what to do."""
    for fault in faults:
        show(_fault_text(fault), stderr=True)


def show_error(message: str, remedy: str = "") -> None:
    """Print to stderr what the broker would refuse, and what to do."""
    from rich.text import Text

    text = Text("error:", style="bold red")
    text.append(f" {printable(message)}", style="not bold default")
    if remedy:
        text.append(f"\n  {printable(remedy)}", style="not bold cyan")
    show(text, stderr=True)


def show_route(tree: str, title: str = "") -> None:
    """Print the route of a message, as the trace draws it, under a title and before a gap."""
    from rich.text import Text

    if title:
        show(Text(printable(title), style="bold"))
    show(_route_text(tree))
    if title:
        show("")


def show_explanation(text: str) -> None:
    """Print the explanation of a queue or an exchange: headings bold, branches by their marks."""
    show(_route_text(text, rest_style=""))


def show_report(report: RunReport) -> None:
    """Print the tables of a run and a line that sums it up."""
    show(_queues_table(report.queues))
    if report.unroutable_keys:
        show("")
        show(_unroutable_table(report.unroutable_keys))
    show("")
    show(_summary(report))


def show(renderable: RenderableType, *, stderr: bool = False) -> None:
    """Print to stdout or stderr; where that is no terminal, plain, uncut, no spaces at line ends.

    NO_COLOR leaves the colours out (https://no-color.org).
    """
    from rich.console import Console
    from rich.table import Table

    console = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if console.is_terminal:
        console.print(renderable, soft_wrap=not isinstance(renderable, Table))
        return
    plain = Console(
        file=io.StringIO(), width=_PLAIN_WIDTH, highlight=False, markup=False, emoji=False
    )
    with plain.capture() as captured:
        plain.print(renderable, soft_wrap=not isinstance(renderable, Table))
    for line in captured.get().removesuffix("\n").split("\n"):
        click.echo(line.rstrip(" "), err=stderr)


def printable(text: str) -> str:
    r"""Return `text` with what a terminal would act on, or not show, spelled out.

    >>> print(printable("a\nb\x1b[31m"))
    a\nb\x1b[31m
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def shorten(line: str, column: int) -> tuple[str, int]:
    """Cut a long line to what is near `column`; return it and the column in what is left.

    Columns count from 1. What cannot be printed becomes one `�` or space, so that columns hold.

    >>> shorten("short", 3)
    ('short', 3)
    """
    line = "".join(c if c.isprintable() else " " if c == "\t" else "�" for c in line)
    start = max(0, min(column - 1 - _EXCERPT_CHARACTERS // 2, len(line) - _EXCERPT_CHARACTERS))
    end = start + _EXCERPT_CHARACTERS
    head = "…" if start else ""
    tail = "…" if end < len(line) else ""
    return head + line[start:end] + tail, column - start + len(head)


def _fault_text(fault: Fault) -> Text:
    from rich.cells import cell_len
    from rich.text import Text

    text = Text(f"{printable(str(fault.position))}: ", style="bold")
    text.append("error:", style="bold red")
    text.append(f" {printable(fault.message)}", style="not bold")
    if fault.source_line:
        line, column = shorten(fault.source_line, fault.position.column)
        pad = " " * cell_len(line[: column - 1])
        text.append(f"\n  {line}", style="not bold")
        text.append(f"\n  {pad}^", style="bold red")
    if fault.remedy:
        text.append(f"\n  {printable(fault.remedy)}", style="not bold cyan")
    return text


def _route_text(tree: str, rest_style: str = "bold") -> Text:
    """Colour a drawn `RouteTrace` line by line, by the mark that its branch begins with.

    `rest_style` is that of a branch without mark.
    """
    from rich.text import Text

    text = Text()
    for number, line in enumerate(tree.split("\n")):
        rest = line.lstrip("│├└─ ")
        branch = line[: len(line) - len(rest)]
        mark_style, style = _MARK_STYLES.get(rest[:1], (rest_style, rest_style))
        if not branch:
            style = "bold"  # a heading, or the outcome below the tree
            mark_style = mark_style or "bold"
        text.append("\n" if number else "")
        text.append(branch, style="dim")
        text.append(rest[:1], style=mark_style)
        rest, nearest, _ = rest[1:].partition(_NEAREST)
        text.append(rest, style=style)
        text.append(nearest, style="yellow")
    return text


def _queues_table(queues: Sequence[QueueReport]) -> Table:
    counts = {
        "messages": [queue.messages for queue in queues],
        "bytes": [queue.bytes for queue in queues],
        "via DLX": [queue.dead_lettered for queue in queues],
    }
    if not any(counts["via DLX"]):
        del counts["via DLX"]
    table = _table("queue", *counts, "first key", "last key")
    for column in table.columns[1 : 1 + len(counts)]:
        column.justify = "right"
    for queue, numbers in zip(queues, zip(*counts.values(), strict=True), strict=True):
        table.add_row(
            _name(queue.queue),
            *map(_count, numbers),
            _key(queue.first_routing_key),
            _key(queue.last_routing_key),
        )
    return table


def _unroutable_table(keys: Sequence[UnroutableReport]) -> Table:
    table = _table("unroutable: exchange", "routing key", "messages")
    table.columns[2].justify = "right"
    for key in keys:
        table.add_row(_name(key.exchange), _key(key.routing_key), _count(key.messages))
    return table


def _table(*columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        header_style="bold",
        highlight=False,
    )
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _name(name: str) -> Text:
    from rich.text import Text

    return Text(printable(name)) if name else Text("(default)", style="dim")


def _key(key: str | None) -> Text:
    from rich.text import Text

    if key is None:
        return Text("")
    return Text(printable(key)) if key else Text('""', style="dim")


def _count(number: int) -> Text:
    from rich.text import Text

    return Text(f"{number:,}", style="" if number else "dim")


def _summary(report: RunReport) -> Text:
    from rich.text import Text

    held = sum(queue.messages for queue in report.queues)
    text = Text(f"{report.lines:,} message{'' if report.lines == 1 else 's'}: ")
    text.append(f"{report.routed:,} routed", style="green")
    text.append(", ")
    text.append(f"{report.unroutable:,} unroutable", style="yellow" if report.unroutable else "")
    text.append(", ")
    text.append(f"{report.refused:,} refused", style="red" if report.refused else "")
    text.append(f"; the queues hold {held:,}")
    return text
