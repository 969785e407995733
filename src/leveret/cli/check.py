"""`leveret check`: read topology files and report what is wrong, or worth a second look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from leveret.cli.collector import without_collector
from leveret.cli.screen import printable, show, show_json
from leveret.cli.topologies import TOPOLOGY_FILE, CannotRead
from leveret.cli.waiting import Waiting

if TYPE_CHECKING:
    from pathlib import Path

    from leveret.config import Topology
    from leveret.config.findings import Finding

__all__ = ["check"]

_FORMATS = ("text", "json", "github", "sarif")

#: `leveret.config.model.COMPATIBILITIES`, which --help need not import.
PROFILES = ("3.10", "3.13", "4.2", "4.3")


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=TOPOLOGY_FILE)
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMATS),
    default="text",
    show_default=True,
    help="The form of the findings.",
)
@click.option("--json", "as_json", is_flag=True, help="Short for --format json.")
@click.option(
    "--profile",
    metavar="VERSION",
    type=click.Choice(PROFILES),
    help=f"The version of RabbitMQ to check for: {', '.join(PROFILES)}.",
)
@click.option("--strict", is_flag=True, help="Let warnings fail the check too.")
@click.option("--all", "with_notes", is_flag=True, help="Show notes as well.")
@click.pass_context
def check(
    context: click.Context,
    files: tuple[Path, ...],
    form: str,
    as_json: bool,
    profile: str | None,
    strict: bool,
    with_notes: bool,
) -> None:
    """Check topology files: every error and warning with its place and what to do.

    The routes that a file expects are tried as well. No broker is needed.

    Exit status: 0 when no file has an error, 1 when one has; with --strict, warnings count.
    """
    form = "json" if as_json else form
    found: list[Finding] = []
    for file in files:
        topology, findings = _check(file, profile, with_notes=with_notes)
        if form == "text":
            _show_text(file, topology, findings)
        found += findings
    _show_whole(form, found)
    severities = {finding.severity for finding in found}
    failed = "error" in severities or (strict and "warning" in severities)
    context.exit(1 if failed else 0)


def _check(
    file: Path, profile: str | None, *, with_notes: bool
) -> tuple[Topology | None, list[Finding]]:
    from leveret.config.loader import check_file

    with Waiting(f"checking {printable(file.name)}") as waiting, without_collector():
        try:
            return check_file(file, profile, notes=with_notes, on_progress=waiting.tell)
        except OSError as error:
            raise CannotRead(str(file), error) from error


def _show_text(file: Path, topology: Topology | None, findings: list[Finding]) -> None:
    """Show the findings of a file on stderr; if none is an error, sum it up on stdout."""
    from rich.text import Text

    from leveret.cli.findings import counted, finding_text

    if findings:
        show(Text("\n").join(map(finding_text, findings)), stderr=True)
    severities = [finding.severity for finding in findings]
    if topology is None or "error" in severities:
        return
    hosts = topology.virtual_hosts.values()
    parts = [
        counted(sum(len(host.exchanges) for host in hosts), "exchange"),
        counted(sum(len(host.queues) for host in hosts), "queue"),
        counted(sum(len(host.bindings) for host in hosts), "binding"),
    ]
    if topology.expectations:
        parts.append(counted(len(topology.expectations), "expectation"))
    for severity in ("warning", "note"):
        if severity in severities:
            parts.append(counted(severities.count(severity), severity))
    show(f"{printable(str(file))}: ok, {', '.join(parts)}")


def _show_whole(form: str, found: list[Finding]) -> None:
    from leveret.cli.findings import finding_to_dict, github_command, sarif_log

    if form == "json":
        value: list[dict[str, Any]] = [finding_to_dict(finding) for finding in found]
        show_json(value)
    elif form == "sarif":
        show_json(sarif_log(found))
    elif form == "github":
        for finding in found:
            click.echo(github_command(finding))
