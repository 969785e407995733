"""`leveret storage dump`: what a data directory holds, to be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leveret.cli.findings import counted
from leveret.cli.screen import printable, show_json
from leveret.cli.storage_report import show_damages
from leveret.cli.storage_use import waiting_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leveret.storage.snapshot import Snapshot, StoredObject
    from leveret.storage.survey import Survey

__all__ = ["dump"]


@click.command()
@click.argument(
    "directory", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option("--queue", metavar="NAME", help="Print the messages of this queue.")
@click.option(
    "--vhost", metavar="NAME", default="/", show_default=True, help="The queue's virtual host."
)
@click.option("--json", "as_json", is_flag=True, help="Print the objects as JSON.")
@click.option(
    "--output",
    "-o",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the messages to this file.",
)
@click.pass_context
def dump(
    context: click.Context,
    directory: Path,
    queue: str | None,
    vhost: str,
    as_json: bool,
    output: Path | None,
) -> None:
    """Print what is in DIR, changing nothing: its objects, or the messages of one queue.

    A message is a line of JSON as `leveret get` prints it, and `leveret publish` reads it. A
    broker may be serving DIR.

    Exit status: 0 when all could be read, 1 when something is damaged, which is said on stderr and
    left out, or there is no such queue, 2 when DIR cannot be read.
    """
    from leveret.storage.snapshot import Snapshot
    from leveret.storage.survey import survey

    if queue is None:
        if output is not None:
            raise click.UsageError("--output is for the messages of a queue: name one by --queue")
        with waiting_for("reading") as progress, Snapshot(directory) as snapshot:
            found = survey(snapshot, progress)
        _show_objects(snapshot, found, as_json=as_json)
    else:
        with waiting_for("reading"), Snapshot(directory) as snapshot:
            snapshot.load()
            _show_messages(snapshot, vhost, queue, output)
    show_damages(snapshot.damages)
    context.exit(1 if snapshot.damages else 0)


def _show_messages(snapshot: Snapshot, vhost: str, queue: str, output: Path | None) -> None:
    from leveret.cli.received import opened_output, stored_line

    ids = [number for number, name in snapshot.queues.items() if name == (vhost, queue)]
    if not ids:
        names = sorted(name for host, name in snapshot.queues.values() if host == vhost)
        known = ", ".join(f"'{name}'" for name in names) or "none"
        click.echo(f"there is no queue '{queue}' in '{vhost}', but {printable(known)}", err=True)
        show_damages(snapshot.damages)
        raise click.exceptions.Exit(1)
    with opened_output(output) as stream:
        for message in snapshot.messages_of(ids[0]):
            print(stored_line(message), file=stream)


def _show_objects(snapshot: Snapshot, survey: Survey, *, as_json: bool) -> None:
    held = {(queue.vhost, queue.queue): queue for queue in survey.queues}
    documents = [*_documents(snapshot)]
    if as_json:
        for document in documents:
            if document["kind"] == "queue":
                queue = held[document["key"][0], document["key"][1]]
                document |= {"messages": queue.messages, "body_bytes": queue.body_bytes}
        show_json(documents)
        return
    for document in documents:
        key = " ".join(json.dumps(part, ensure_ascii=False) for part in document["key"])
        line = f"{document['kind']} {key}"
        if document["kind"] == "queue":
            queue = held[document["key"][0], document["key"][1]]
            line += f": {counted(queue.messages, 'message')}, {counted(queue.body_bytes, 'byte')}"
        if document["value"]:
            line += f" {json.dumps(document['value'], ensure_ascii=False)}"
        click.echo(printable(line))


def _documents(snapshot: Snapshot) -> Iterator[dict[str, Any]]:
    for each in snapshot.objects:
        yield {"kind": each.kind, "key": _key(each), "value": _value(each)}


def _key(each: StoredObject) -> list[str]:
    # Arguments, of which a binding's identity has another form, are in its value.
    return [*each.key[:-1]] if each.kind == "binding" else [*each.key]


def _value(each: StoredObject) -> dict[str, Any]:
    from leveret.cli.received import plain

    # No password is shown, nor what is only a number of ours.
    hidden = {"password_hash", "id"}
    shown = {name: value for name, value in each.fields.items() if name not in hidden}
    return dict(json.loads(json.dumps(shown, default=plain)))
