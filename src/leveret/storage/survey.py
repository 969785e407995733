"""What a data directory holds, and what is damaged in it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from attrs import define, frozen

from leveret.storage.directory import log_of
from leveret.storage.records import decode_entries

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from leveret.storage.snapshot import Damage, Snapshot

__all__ = ["StoredQueue", "Survey", "survey"]


@define
class StoredQueue:
    """A queue, and what of it is kept."""

    vhost: str
    queue: str
    messages: int = 0
    body_bytes: int = 0


@frozen
class Survey:
    """What was found in a directory."""

    file: Path
    file_bytes: int
    #: kind -> number
    objects: dict[str, int]
    queues: list[StoredQueue]
    #: How many messages are alive, counted in each queue, and how many more the log still holds.
    messages: int
    dead_messages: int
    damages: list[Damage]

    @property
    def body_bytes(self) -> int:
        """The bodies of the messages that are alive."""
        return sum(queue.body_bytes for queue in self.queues)

    @property
    def dead_share(self) -> float:
        """Which part of the messages in the log is not alive, from 0 to 1."""
        return self.dead_messages / max(self.messages + self.dead_messages, 1)


def survey(snapshot: Snapshot, progress: Callable[[float], object] = lambda share: None) -> Survey:
    """Read all of a directory, each checksum and each record; `progress` goes from 0 to 1."""
    snapshot.verify()
    snapshot.load()
    queues = {number: StoredQueue(*name) for number, name in snapshot.queues.items()}
    # queue id -> the highest position yet
    highest: dict[int, int] = {}
    dead = 0
    for group in snapshot.messages():
        positions: dict[int, list[int]] = {}
        for number, message, position, *_ in decode_entries(group.messages):
            positions.setdefault(number, []).append(position)
            if snapshot.is_dead(number, position):
                dead += 1
                continue
            message.properties  # noqa: B018 - decoding it is the check
            queue = queues[number]
            queue.messages += 1
            queue.body_bytes += message.size
        for number, found in positions.items():
            if min(found) <= highest.get(number, -1) or len(set(found)) < len(found):
                snapshot.note_disorder(group.number, number)
            highest[number] = max(highest.get(number, -1), *found)
        progress(group.number / max(snapshot.last, 1))
    for chunk in snapshot.chunks():
        if chunk.queue_id not in queues:
            dead += chunk.behind - chunk.first
            continue
        queue = queues[chunk.queue_id]
        for _, message, *_ in decode_entries(chunk.messages):
            message.properties  # noqa: B018 - decoding it is the check
            queue.messages += 1
            queue.body_bytes += message.size
    return Survey(
        snapshot.file,
        sum(file.stat().st_size for file in _files(snapshot.file)),
        dict(Counter(each.kind for each in snapshot.objects)),
        sorted(queues.values(), key=lambda queue: (queue.vhost, queue.queue)),
        sum(queue.messages for queue in queues.values()),
        dead,
        snapshot.damages,
    )


def _files(file: Path) -> list[Path]:
    log = log_of(file)
    return [file, log] if log.exists() else [file]
