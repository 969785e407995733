"""A data directory as it is at one moment: read without changing it, past what is damaged.

A broker may be serving it: SQLite lets readers see one moment while a writer goes on. What is
damaged is noted and left out. Where SQLite cannot read its file, its pages are read by themselves.
"""

from __future__ import annotations

import json
from collections import defaultdict
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from attrs import define, field, frozen

from leveret.engine.durable import KINDS
from leveret.fields import decode_table, encode_table
from leveret.storage.directory import FILE_NAME, StorageError
from leveret.storage.journal import Group
from leveret.storage.records import decode_entries, entries_within
from leveret.storage.recovery import Fates, note_fates
from leveret.storage.rows import Rows
from leveret.storage.schema import (
    BLOCK_BYTES,
    damaged_blocks,
    fates_are_whole,
    messages_are_whole,
    object_is_whole,
    place_checksum,
    refuse_newer,
    refuse_older,
)
from leveret.storage.stream_store import StreamChunk, chunks_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from leveret.queues import AnyMessage
    from leveret.storage.records import StoredMessage

__all__ = ["Damage", "Snapshot", "StoredObject"]

_FATES = ("settled", "returned", "delivered", "fates_checksum")
_MESSAGES = ("messages", "checksums")
_CHUNKS = (
    *("queue", "first", "behind", "segment", "first_ms", "last_ms", "body_bytes", "checksum"),
    *_MESSAGES,
)
_OBJECTS = ("kind", "key", "value", "checksum")


@frozen
class Damage:
    """What is wrong at one place of a file, and what is lost by it."""

    file: Path
    table: str
    #: The row's id; None where it is about the table, or the file.
    row: int | None
    message: str
    #: (virtual host, queue, messages); a queue that is not known by name is "".
    lost: tuple[tuple[str, str, int], ...] = ()
    #: Whether more may be lost, of which nothing can be told.
    loses_more: bool = False


@frozen
class StoredObject:
    """A durable object as it was kept."""

    row: int
    kind: str
    key: tuple[str, ...]
    value: bytes
    #: `value`, decoded.
    fields: dict[str, Any]

    @property
    def name(self) -> str:
        """The key as it is written."""
        return json.dumps(self.key)


@define(eq=False)
class Snapshot:
    """What a directory holds at one moment. Used as a context.

    Raises:
        StorageError: there is no database in it, or one of another version.

    """

    directory: Path = field(converter=Path)
    file: Path = field(init=False)
    rows: Rows = field(init=False)
    objects: list[StoredObject] = field(factory=list, init=False)
    #: queue id -> virtual host and name
    queues: dict[int, tuple[str, str]] = field(factory=dict, init=False)
    #: queue id -> what became of its messages
    fates: defaultdict[int, Fates] = field(factory=lambda: defaultdict(Fates), init=False)
    #: The number of the last group; 0 for none.
    last: int = field(default=0, init=False)
    #: Whether something of what became of messages is lost.
    lacks_fates: bool = field(default=False, init=False)
    _damages: dict[Damage, None] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self.file = self.directory / FILE_NAME
        if not self.file.is_file():
            raise StorageError(f"{self.directory} is no data directory: it has no {FILE_NAME}")
        self.rows = Rows(self.file, lambda message: self._damage("", None, message))

    def __enter__(self) -> Self:
        try:
            self._open()
        except OSError as error:
            raise StorageError(f"cannot read {self.file}: {error.strerror}") from error
        except StorageError:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self.rows.close()

    @property
    def damages(self) -> list[Damage]:
        """What was found to be wrong up to now."""
        return [*self._damages]

    def note(self, damage: Damage) -> None:
        """Take note of a damage, once."""
        self._damages[damage] = None

    def _open(self) -> None:
        version = self.rows.open()
        if self.rows.sql is not None:
            refuse_newer(self.file, version)
        if version == 0:
            self._damage("", None, "it names no format version")
        else:
            refuse_older(self.file, version)
        self.rows.compare_schema()

    def verify(self) -> None:
        """Look at the file as a whole."""
        self.rows.verify()

    def load(self) -> None:
        """Read the objects, and what became of messages."""
        self.objects = self._restorable([*self._read_objects()])
        for found in self.objects:
            if found.kind == "queue":
                host, name = found.key
                self.queues[found.fields["id"]] = (host, name)
        for row, values, is_whole in self.rows.read("groups", _FATES, _whole_fates):
            self.last = max(self.last, row)
            if is_whole:
                settled, returned, delivered, _ = values
                note_fates(Group(row, b"", settled, returned, delivered), self.fates)
            else:
                self.lacks_fates = True
                self._damage(
                    "groups",
                    row,
                    "what became of earlier messages: some may come back that were acknowledged",
                )

    def is_dead(self, queue_id: int, position: int) -> bool:
        """Say whether a message is gone, or its queue."""
        return queue_id not in self.queues or position in self.fates[queue_id].settled

    def messages(self) -> Iterator[Group]:
        """Yield the groups in order, with nothing but their messages, those that are whole."""
        for row, (messages, checksums), is_whole in self.rows.read("groups", _MESSAGES, _whole):
            if is_whole:
                yield Group(row, messages)
            elif isinstance(messages, bytes) and isinstance(checksums, bytes):
                yield Group(row, self._whole_part("groups", row, row, messages, checksums))
            else:
                self._damage("groups", row, "the messages cannot be read", loses_more=True)

    def chunks(self) -> Iterator[StreamChunk]:
        """Yield what streams hold, each stream's in order, what is whole of it."""
        # queue id -> the segment that its last chunk stands in
        segments: dict[int, int] = {}
        for row, values, is_whole in self.rows.read("chunks", _CHUNKS, _whole_chunk):
            *place, checksum, messages, checksums = values
            if is_whole:
                queue_id, first, behind, segment, first_ms, last_ms, body_bytes = place
                ages = first_ms, last_ms
                found = [StreamChunk(queue_id, first, behind, segment, *ages, body_bytes, messages)]
            elif isinstance(messages, bytes) and isinstance(checksums, bytes):
                known = place[3] if place_checksum(place) == checksum else None
                data = self._whole_part("chunks", row, 0, messages, checksums)
                found = self._chunks_in(data, known, segments)
            else:
                self._damage("chunks", row, "the messages cannot be read", loses_more=True)
                continue
            for chunk in found:
                segments[chunk.queue_id] = chunk.segment
            yield from found

    def _chunks_in(
        self, data: bytes, segment: int | None, segments: dict[int, int]
    ) -> list[StreamChunk]:
        """Return chunks of what is whole of one; where messages are lost, another begins."""
        # queue id, offset and time of the first, and the messages in a row with their times
        runs: list[tuple[int, int, list[AnyMessage], list[int]]] = []
        for queue_id, message, offset, time_ms, _, _ in decode_entries(data):
            if not runs or runs[-1][:2] != (queue_id, offset - len(runs[-1][2])):
                runs.append((queue_id, offset, [], []))
            runs[-1][2].append(message)
            runs[-1][3].append(time_ms or 0)
        return [
            chunk
            for queue_id, first, messages, times in runs
            for chunk in chunks_of(
                queue_id,
                segments.get(queue_id, first) if segment is None else segment,
                first,
                messages,
                times,
            )
        ]

    def messages_of(self, queue_id: int) -> Iterator[StoredMessage]:
        """Yield the messages of a queue that are alive, in order."""
        for group in self.messages():
            found = [
                (position, message)
                for number, message, position, *_ in decode_entries(group.messages)
                if number == queue_id and not self.is_dead(number, position)
            ]
            for _, message in sorted(found, key=itemgetter(0)):
                yield message
        for chunk in self.chunks():
            if chunk.queue_id == queue_id:
                for _, message, *_ in decode_entries(chunk.messages):
                    yield message

    def note_disorder(self, row: int, queue_id: int) -> None:
        """Note that a group has messages of a queue that are not behind those of earlier groups."""
        host, queue = self.queues.get(queue_id, ("", ""))
        self._damage("groups", row, f"messages of '{queue}' in '{host}' are out of order")

    def _whole_part(
        self, table: str, row: int, number: int, messages: bytes, checksums: bytes
    ) -> bytes:
        bad = damaged_blocks(number, messages, checksums)

        def is_whole(first: int, behind: int) -> bool:
            blocks = range(first // BLOCK_BYTES, (behind - 1) // BLOCK_BYTES + 1)
            return bad.isdisjoint(blocks)

        kept, lost, loses_more = entries_within(messages, is_whole)
        named = tuple((*self.queues.get(number, ("", "")), n) for number, n in lost.items())
        self._damage(table, row, "messages", named, loses_more=loses_more)
        return kept

    def _read_objects(self) -> Iterator[StoredObject]:
        for row, (kind, name, value, _), is_whole in self.rows.read(
            "objects", _OBJECTS, _whole_object
        ):
            if is_whole:
                yield StoredObject(row, kind, tuple(json.loads(name)), value, _table(value))
            else:
                self._damage("objects", row, f"{kind} {name}", loses_more=kind == "queue")

    def _restorable(self, found: list[StoredObject]) -> list[StoredObject]:
        """Return the objects that can be made again, in that order; note the others."""
        there: set[tuple[str, ...]] = {(each.kind, *each.key) for each in found}
        made = self._hosts_that_lack(found, there)
        there |= {(each.kind, *each.key) for each in made}
        objects = []
        for kind in KINDS:
            for each in [each for each in (*made, *found) if each.kind == kind]:
                missing = [" ".join(other) for other in _needs(each) if other not in there]
                if not missing:
                    objects.append(each)
                    continue
                there.discard((kind, *each.key))
                message = f"{kind} {each.name}: there is no {missing[0]}"
                self._damage("objects", each.row, message, loses_more=kind == "queue")
        return objects

    def _hosts_that_lack(
        self, found: list[StoredObject], there: set[tuple[str, ...]]
    ) -> list[StoredObject]:
        """Return virtual hosts of which only what is in them is there."""
        hosts = dict.fromkeys(each.key[0] for each in found if each.kind in ("exchange", "queue"))
        missing = [host for host in hosts if ("virtual_host", host) not in there]
        for host in missing:
            self._damage("objects", None, f'virtual_host ["{host}"] is missing, and made again')
        return [StoredObject(0, "virtual_host", (host,), encode_table({}), {}) for host in missing]

    def _damage(
        self,
        table: str,
        row: int | None,
        message: str,
        lost: tuple[tuple[str, str, int], ...] = (),
        *,
        loses_more: bool = False,
    ) -> None:
        self.note(Damage(self.file, table, row, message, lost, loses_more))


def _table(value: bytes) -> dict[str, Any]:
    return dict(decode_table(value)[0])


def _needs(each: StoredObject) -> list[tuple[str, ...]]:
    """Return the objects without which this one cannot be made: kind and key."""
    match each.kind, each.key:
        case "permission" | "topic_permission", (user, host, *_):
            return [("user", user), ("virtual_host", host)]
        case "policy" | "operator_policy" | "exchange" | "queue" | "held_message", (host, _):
            return [("virtual_host", host)]
        case "held_ids", (host,):
            return [("virtual_host", host)]
        case "stream_offset", (host, queue, _):
            return [("queue", host, queue)]
        case "binding", (host, source, kind, destination, _, _):
            ends = [("exchange", host, source), (kind, host, destination)]
            # Those that each virtual host has are not kept.
            own = [end for end in ends if end[0] == "queue" or not end[2].startswith("amq.")]
            return [("virtual_host", host), *own]
        case "identifier", (host, kind, name, _):
            return [(kind, host, name)]
    return []


def _whole_object(row: int, values: Sequence[Any]) -> bool:
    kind, name, value, checksum = values
    return object_is_whole(kind, name, value, checksum)


def _whole_fates(row: int, values: Sequence[Any]) -> bool:
    return fates_are_whole(row, values[:-1], values[-1])


def _whole_chunk(row: int, values: Sequence[Any]) -> bool:
    *place, checksum, messages, checksums = values
    whole = place_checksum(place) == checksum and messages_are_whole(0, messages, checksums)
    return whole and checksum is not None


def _whole(row: int, values: Sequence[Any]) -> bool:
    messages, checksums = values
    return messages_are_whole(row, messages, checksums)
