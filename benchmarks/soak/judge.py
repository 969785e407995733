"""What must hold of what the clients wrote down.

- Nothing lost: what was confirmed was received from each queue that it was to reach.
- Nothing made up: what was received had been sent, with the same body, and not rolled back.
- Nothing twice without a word: of one queue, a message is delivered once as not redelivered.
- Order: one consumer receives one publisher's messages of one priority in the order in which they
  were sent, redelivered ones aside.
- No client met an error.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from attrs import define, field

from benchmarks.soak.message import priority_of
from benchmarks.soak.roles import REACHED

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Verdict", "judge"]

#: Faults of one kind that are spelt out.
SHOWN = 5

Message = tuple[str, int]


@define
class Verdict:
    """What was done, counted, and what should not have been."""

    counts: Counter[str] = field(factory=Counter)
    # kind of fault -> how it showed, each time
    faults: defaultdict[str, list[str]] = field(factory=lambda: defaultdict(list))

    def lines(self) -> list[str]:
        """Return the faults as text: a few of each kind, and how many there were."""
        found = []
        for kind, cases in self.faults.items():
            found.append(f"{kind}: {len(cases)}")
            found += [f"  {case}" for case in cases[:SHOWN]]
        return found


@define
class _Books:
    """All ledgers read."""

    verdict: Verdict = field(factory=Verdict)
    sent: set[Message] = field(factory=set)
    confirmed: set[Message] = field(factory=set)
    undone: set[Message] = field(factory=set)
    rejected: set[Message] = field(factory=set)
    # queue -> messages, by how often they came as not redelivered
    received: defaultdict[str, Counter[Message]] = field(factory=lambda: defaultdict(Counter))

    def read(self, path: Path) -> None:
        """Read one job's ledger."""
        # (queue, publisher, priority) -> the last number that came first-hand
        last: dict[tuple[str, str, int], int] = {}
        text = path.read_text("utf-8")
        for line in text[: text.rfind("\n") + 1].splitlines():
            what, _, rest = line.partition(" ")
            if what == "fault":
                self.verdict.faults["a client met an error"].append(f"{path.stem}: {rest}")
                continue
            self.verdict.counts[what] += 1
            words = rest.split(" ")
            if what == "received":
                self._received(path.stem, words, last)
            elif what not in ("asked", "answered"):
                {
                    "sent": self.sent,
                    "confirmed": self.confirmed,
                    "undone": self.undone,
                    "rejected": self.rejected,
                }[what].add((words[0], int(words[1])))

    def _received(self, by: str, words: list[str], last: dict[tuple[str, str, int], int]) -> None:
        queue, publisher, number, redelivered = words[0], words[1], int(words[2]), words[3] == "1"
        self.received[queue][publisher, number] += not redelivered
        if redelivered:
            self.verdict.counts["redelivered"] += 1
            return
        priority = priority_of(number) if queue == "urgent" else 0
        before = last.get((queue, publisher, priority), -1)
        if number <= before:
            text = f"{by}: {number} of {publisher} after {before}, from {queue}"
            self.verdict.faults["out of order"].append(text)
        last[queue, publisher, priority] = number

    def close(self) -> Verdict:
        """Compare what was sent with what was received."""
        faults = self.verdict.faults
        for message in self.confirmed:
            for queue in REACHED[message[0].rpartition(".")[2]]:
                if message not in self.received[queue]:
                    faults["lost though confirmed"].append(f"{message}, not in {queue}")
        for queue, messages in self.received.items():
            for message, times in messages.items():
                if times > 1:
                    text = f"{message}, {times} times from {queue}"
                    faults["twice without being redelivered"].append(text)
                if message not in self.sent:
                    faults["received though never sent"].append(f"{message}, from {queue}")
                if message in self.undone:
                    faults["received though rolled back"].append(f"{message}, from {queue}")
        for message in self.received["rejected"]:
            if message not in self.rejected:
                faults["dead-lettered though not rejected"].append(str(message))
        return self.verdict


def judge(folder: Path) -> Verdict:
    """Read all ledgers in a folder."""
    books = _Books()
    for path in sorted(folder.glob("*.txt")):
        books.read(path)
    return books.close()
