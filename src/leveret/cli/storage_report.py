"""What stands in a data directory, and its damages, in the forms that people and machines read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from attrs import asdict

from leveret.cli.findings import counted
from leveret.cli.screen import printable

if TYPE_CHECKING:
    from leveret.storage.snapshot import Damage
    from leveret.storage.survey import Survey

__all__ = ["show_damages", "show_totals", "survey_to_dict"]


def show_totals(survey: Survey) -> None:
    """Print to stdout what a directory holds, in a line."""
    click.echo(
        f"{printable(str(survey.file))}: {counted(sum(survey.objects.values()), 'object')},"
        f" {counted(len(survey.queues), 'queue')}, {counted(survey.messages, 'message')}"
        f" ({counted(survey.body_bytes, 'byte')});"
        f" {counted(survey.file_bytes, 'byte')} on disk,"
        f" {survey.dead_share:.0%} of the messages in the log dead"
    )


def show_damages(damages: list[Damage]) -> None:
    """Print to stderr a line for each damage: where, what, and what is lost by it."""
    for damage in damages:
        place = [printable(str(damage.file))]
        if damage.table:
            place.append(f"table {damage.table}")
        if damage.row is not None:
            place.append(f"row {damage.row}")
        click.echo(f"{', '.join(place)}: {printable(damage.message)}{_lost(damage)}", err=True)


def _lost(damage: Damage) -> str:
    lost = [
        f"{counted(number, 'message')} of "
        + (f"'{printable(queue)}' in '{printable(host)}'" if host else "queues that are not there")
        for host, queue, number in damage.lost
    ]
    if damage.loses_more:
        lost.append("more that cannot be told" if lost else "how many messages, cannot be told")
    return f"; lost: {', '.join(lost)}" if lost else ""


def survey_to_dict(survey: Survey) -> dict[str, Any]:
    """Return what was found as JSON values."""
    return {
        "file": str(survey.file),
        "file_bytes": survey.file_bytes,
        "objects": survey.objects,
        "queues": [asdict(queue) for queue in survey.queues],
        "messages": survey.messages,
        "body_bytes": survey.body_bytes,
        "dead_messages": survey.dead_messages,
        "damages": [
            {
                "file": str(damage.file),
                "table": damage.table or None,
                "row": damage.row,
                "message": damage.message,
                "lost": [
                    {"vhost": host, "queue": queue, "messages": number}
                    for host, queue, number in damage.lost
                ],
                "loses_more": damage.loses_more,
            }
            for damage in survey.damages
        ],
    }
