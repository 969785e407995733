"""What must hold of a data directory after a crash.

- Nothing lost: what was confirmed or committed is in one queue of each chain that it was to reach,
  or was acknowledged there. It is never in two: dead letters and transactions move a message whole.
- Nothing back: what was acknowledged, and a later call answered, is not there.
- Nothing by halves: of a transaction, and of a message for several queues, all is there or nothing.
- In order, each message once, redelivered ones marked; nothing rolled back, nothing transient.
- Queues, exchanges and bindings are what was answered last.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import leveret
from benchmarks.crash.books import priority_in
from benchmarks.crash.routes import QUEUES_OF, UNORDERED
from benchmarks.soak.message import identity

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.crash.books import Books, Message, Object, Unit

__all__ = ["judge"]

Found = dict[str, list[tuple["Message", bool]]]


def judge(books: Books, data: Path, scratch: Path) -> int:
    """Compare a copy of a directory with the books; return how many messages are in it.

    What is certain by now leaves the books' open questions: later crashes are judged by it.
    """
    shutil.copytree(data, scratch)
    try:
        broker = leveret.Broker(data=scratch)
    except leveret.LeveretError as error:
        books.fault("the directory does not open", error)
        return 0
    broker.check()
    host = broker.virtual_hosts["/"]
    found: Found = {
        name: [(identity(entry.message.body), entry.redelivered) for entry in queue.ready]
        for name, queue in host.queues.items()
    }
    objects: set[Object] = {("queue", name) for name in host.queues}
    objects |= {("exchange", name) for name in host.exchanges}
    objects |= {("binding", b.source, b.destination, b.routing_key) for b in host.bindings}
    broker.close()
    shutil.rmtree(scratch)
    _judge_objects(books, objects)
    for queue, messages in found.items():
        _judge_queue(books, queue, messages)
    _judge_units(books, _places(books, found))
    return sum(map(len, found.values()))


def _judge_objects(books: Books, found: set[Object]) -> None:
    for key, wanted in books.objects.items():
        if wanted is not None and wanted is not (key in found):
            books.fault("topology is not what was answered", (key, wanted))
        books.objects[key] = key in found


def _judge_queue(books: Books, queue: str, messages: list[tuple[Message, bool]]) -> None:
    if queue == "fleeting" and messages:
        books.fault("transient messages survived", messages)
        return
    last: dict[tuple[str, int], int] = {}
    for message, redelivered in messages:
        books.look_at(queue, message, redelivered)
        key = (message[0], priority_in(queue, message))
        if message[1] <= last.get(key, -1) and queue not in UNORDERED:
            books.fault("out of order", (queue, message, last[key]))
        last[key] = message[1]
    if len({message for message, _ in messages}) != len(messages):
        books.fault("twice in a queue", queue)


def _places(books: Books, found: Found) -> dict[tuple[str, Message], str]:
    """Return in which queue of a chain each message is."""
    at: dict[tuple[str, Message], str] = {}
    for chain, queues in QUEUES_OF.items():
        for queue in queues:
            for message, redelivered in found.get(queue, ()):
                before = at.setdefault((chain, message), queue)
                if before != queue:
                    books.fault("in two queues at once", (message, before, queue))
                # what comes back with its mark is delivered with it
                if redelivered:
                    books.known[queue].add(message)
    return at


def _judge_units(books: Books, at: dict[tuple[str, Message], str]) -> None:
    still: dict[Unit, bool] = {}
    for unit, certain in books.units.items():
        there = [place for place in unit if place in at]
        away = [place for place in unit if place not in at]
        lost = [(chain, m) for chain, m in away if m not in books.acked[chain]]
        if certain and lost:
            books.fault("lost though confirmed", lost)
        elif there and lost:
            books.fault("there by halves", (there, lost))
        for chain, message in away:
            books.left(chain, message)  # no later life may bring it back
        for chain, message in there:
            books.acked[chain].discard(message)  # the acknowledgement did not get there
        if there:
            still[unit] = True
        else:
            books.counts["never arrived" if lost else "finished"] += 1
    books.units = still
