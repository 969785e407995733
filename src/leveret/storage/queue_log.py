"""Where one queue notes its messages: each by itself, or runs of them as they came."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field
from sortedcontainers import SortedDict

from leveret.queues import QueuedMessage
from leveret.storage.paging import runs_of
from leveret.storage.ranges import Ranges

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leveret.queues import MessageRun, PagedRun, Queue, QueuedRun
    from leveret.storage.journal import StoreJournal

__all__ = ["LoggedRun", "QueueLog"]


@define(eq=False)
class LoggedRun:
    """Messages that came in a row, from the first position on, and which of them are gone."""

    log: QueueLog
    queue: Queue
    run: MessageRun
    position: int
    #: The group it stands in.
    stored: int
    alive: int
    gone: Ranges = field(factory=Ranges)


@define(eq=False)
class QueueLog:
    """A queue's side of the journal. Costs are O(1), O(log runs) for a message of a run."""

    journal: StoreJournal
    queue_id: int
    #: The highest position ever delivered, and the one noted in a group before; -1 for none.
    mark: int = -1
    noted: int = -1
    # position of the first message -> run of which some are alive
    _runs: SortedDict[int, LoggedRun] = field(factory=lambda: SortedDict(), init=False)

    # -- one message

    def enqueued(self, entry: QueuedMessage) -> None:
        """Note a message that came in."""
        journal = self.journal
        if not journal.has_news:
            journal.begin()
        entry.stored = journal.group
        journal.current[entry] = None
        journal.appended += 1

    def delivered(self, entry: QueuedMessage) -> None:
        """Note that a message is with a consumer."""
        if entry.position > self.mark:
            self._mark(entry.position)

    def _mark(self, position: int) -> None:
        if self.mark == self.noted:
            journal = self.journal
            if not journal.has_news:
                journal.begin()
            journal.marked.append(self)
        self.mark = position

    def returned(self, entry: QueuedMessage) -> None:
        """Note that a message came back, and how often it did."""
        journal = self.journal
        if not journal.has_news:
            journal.begin()
        if not self._stands_alone(entry):
            self._take_out(entry)
        if entry.stored != journal.group:
            journal.returned += (self.queue_id, entry.position, entry.delivery_count)
        journal.appended += 1

    def settled(self, entry: QueuedMessage) -> None:
        """Note that a message is gone."""
        journal = self.journal
        position = entry.position
        if not self._stands_alone(entry):
            self._settle_run(position, position + 1)
            return
        if not journal.has_news:
            journal.begin()
        journal.appended += 1
        if entry.stored == journal.group:
            del journal.current[entry]
        else:
            del journal.live[entry.stored][entry]
            journal.settle(self.queue_id, position, position + 1)

    def _stands_alone(self, entry: QueuedMessage) -> bool:
        """Say whether a message was noted as one, and not in a run."""
        return not self._runs or entry in self.journal.entries_of(entry.stored)

    # -- runs

    def enqueued_run(self, queued: QueuedRun) -> None:
        """Note messages that came in a row."""
        journal = self.journal
        if not journal.has_news:
            journal.begin()
        group, count = journal.group, len(queued)
        queued.stored = group
        logged = LoggedRun(self, queued.queue, queued.run, queued.position, group, count)
        self._runs[queued.position] = logged
        journal.current[logged] = None
        journal.count_in_runs(group, count - 1)
        journal.appended += count

    def delivered_run(self, queued: QueuedRun) -> None:
        """Note that messages in a row are with a consumer."""
        last = queued.position + len(queued) - 1
        if last > self.mark:
            self._mark(last)

    def settled_run(self, queued: QueuedRun) -> None:
        """Note that messages in a row are gone."""
        self._settle_run(queued.position, queued.position + len(queued))

    def _settle_run(self, first: int, behind: int) -> None:
        journal = self.journal
        if not journal.has_news:
            journal.begin()
        journal.appended += behind - first
        logged = self._run_of(first)
        if logged.stored != journal.group:
            journal.settle(self.queue_id, first, behind)
        self._forget(logged, first, behind)

    def _run_of(self, position: int) -> LoggedRun:
        runs = self._runs
        return runs.peekitem(runs.bisect_right(position) - 1)[1]

    def _forget(self, logged: LoggedRun, first: int, behind: int) -> None:
        """Take messages out of a run, whatever becomes of them."""
        journal, count = self.journal, behind - first
        logged.gone.add(first, behind)
        logged.alive -= count
        if logged.alive:
            journal.count_in_runs(logged.stored, -count)
        else:
            journal.count_in_runs(logged.stored, 1 - count)
            del journal.entries_of(logged.stored)[logged]
            del self._runs[logged.position]

    def _take_out(self, entry: QueuedMessage) -> None:
        """Have a message of a run stand alone from now on: it has a state of its own."""
        journal, position = self.journal, entry.position
        logged = self._run_of(position)
        entry.stored = logged.stored
        self._forget(logged, position, position + 1)
        journal.entries_of(entry.stored)[entry] = None

    # -- memory

    def page_out(self, entries: Sequence[QueuedMessage | QueuedRun]) -> tuple[list[PagedRun], int]:
        """Take durable messages out of memory, from the first on; return how many items it took."""
        runs, taken = runs_of(self, entries)
        return [*runs], taken

    def let_go(self, item: QueuedMessage | QueuedRun) -> int:
        """Forget messages that leave memory, if they are on the disk; return their group, or 0."""
        journal, position = self.journal, item.position
        if isinstance(item, QueuedMessage) and self._stands_alone(item):
            if not item.stored or not journal.is_durable(item.stored):
                return 0
            del journal.live[item.stored][item]
            return item.stored
        count = 1 if isinstance(item, QueuedMessage) else len(item)
        logged = self._run_of(position) if item.stored else None
        if logged is None or not journal.is_durable(logged.stored):
            return 0
        self._forget(logged, position, position + count)
        return logged.stored
