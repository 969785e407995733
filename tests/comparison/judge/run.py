"""Runs a conversation on both sides, step by step, and stops at the first difference.

leveret has finished when a call returns; RabbitMQ goes on: deliveries, dead letters and closed
connections take their time there. So after each step both sides are looked at until they agree,
and a disagreement counts only when it lasts. What two queues deliver to one channel may come in
either order: deliveries are compared consumer by consumer.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

from judge.plain import Closed, Delivery, Event
from judge.steps import CHANNELS, Step, render

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from judge.side import Depth, Side

__all__ = ["Difference", "run"]

AGREE_TIMEOUT_S = 1.0
POLL_S = 0.002
#: Long enough for anything that RabbitMQ still has on the way, at the end.
AFTERWARDS_S = 0.02

ACKNOWLEDGING = ("basic_ack", "basic_nack", "basic_reject")


class Difference(AssertionError):
    """The sides do not agree; shows the script up to the step, and both sides' view."""

    def __init__(self, steps: Sequence[Step], ours: Any, theirs: Any) -> None:
        self.steps, self.ours, self.theirs = steps, ours, theirs
        super().__init__(
            f"leveret and RabbitMQ differ after the last step of\n\n{render(steps)}\n\n"
            f"  leveret:  {ours}\n  RabbitMQ: {theirs}"
        )


@frozen
class Held:
    """A delivery that a channel holds: its tag on each side."""

    ours: int
    theirs: int


@define
class Holdings:
    """The deliveries that a channel has to acknowledge, as both sides know them."""

    held: list[Held] = field(factory=list)
    used: list[Held] = field(factory=list)
    # Settled in a transaction that is still open.
    pending: list[Held] = field(factory=list)
    transactional: bool = False
    # How many events of the channel have been looked at.
    seen: int = 0

    def settle(self, gone: Iterable[Held]) -> None:
        """Move deliveries from held to used."""
        for each in list(gone):
            if each in self.held:
                self.held.remove(each)
                self.used.append(each)
                if self.transactional:
                    self.pending.append(each)

    def roll_back(self) -> None:
        """Hold again what the transaction had settled."""
        self.held = sorted(self.held + self.pending, key=lambda each: each.ours)
        self.pending.clear()

    def covered(self, last: Held) -> list[Held] | None:
        """Return what `multiple` up to a delivery covers, or None if the sides do not agree."""
        ours = [each for each in self.held if each.ours <= last.ours]
        return ours if ours == [e for e in self.held if e.theirs <= last.theirs] else None


@define
class Run:
    """One conversation on two sides."""

    ours: Side
    theirs: Side
    queues: Sequence[str]
    done: list[Step] = field(factory=list)
    holdings: dict[str, Holdings] = field(factory=dict)  # channel -> what it holds
    seen_queues: dict[str, str] = field(factory=dict)  # queue that is there -> connection seeing it
    quorum: set[str] = field(factory=set)

    def step(self, step: Step) -> None:
        """Carry out a step on both sides and compare.

        Raises:
            Difference: they do not agree.

        """
        tags = self._tags(step)
        if tags is None:
            return
        self.done.append(step)
        self._reopened(step)
        if (step.arguments.get("arguments") or {}).get("x-queue-type") == "quorum":
            self.quorum.add(step.arguments["queue"])
        ours = self._compared(step, self.ours.perform(step, tags[0]))
        theirs = self._compared(step, self.theirs.perform(step, tags[1]))
        if ours != theirs:
            raise Difference(self.done, ours, theirs)
        self._agree()
        self._account(step, ours)

    def _compared(self, step: Step, answer: Any) -> Any:
        """Leave out of an answer what is not compared: see the consumers of a quorum queue."""
        if step.arguments.get("queue") in self.quorum and isinstance(answer, dict):
            return answer | {"consumers": 0} if "consumers" in answer else answer
        return answer

    # -- delivery tags

    def _tags(self, step: Step) -> tuple[int | None, int | None] | None:
        """Return the delivery tag for each side; None: nothing that the step could speak of."""
        if step.call not in ACKNOWLEDGING or "delivery_tag" in step.arguments:
            return None, None
        chosen = self._chosen(step)
        if chosen is None:
            return None
        multiple = step.arguments.get("multiple", False)
        if multiple and self._of(step.channel).covered(chosen) is None:
            return None
        return chosen.ours, chosen.theirs

    def _chosen(self, step: Step) -> Held | None:
        holdings = self._of(step.channel)
        known = holdings.held if "nth" in step.arguments else holdings.used
        index = step.arguments.get("nth", step.arguments.get("used"))
        return known[index % len(known)] if known and index is not None else None

    def _of(self, channel: str) -> Holdings:
        return self.holdings.setdefault(channel, Holdings())

    def _reopened(self, step: Step) -> None:
        line = self.ours.lines.get(step.channel)
        if line is None or not line.channel.is_open:
            self.holdings[step.channel] = Holdings()

    def _account(self, step: Step, answer: Any) -> None:
        """Follow what the step did to the deliveries held."""
        if isinstance(answer, Closed):
            return
        holdings = self._of(step.channel)
        if step.call in ACKNOWLEDGING:
            self._account_acknowledged(step, holdings)
        elif step.call == "basic_recover":
            holdings.settle(holdings.held)
        elif step.call == "tx_select":
            holdings.transactional = True
        elif step.call == "tx_commit":
            holdings.pending.clear()
        elif step.call == "tx_rollback":
            holdings.roll_back()
        for channel in CHANNELS:
            self._take(channel)

    def _account_acknowledged(self, step: Step, holdings: Holdings) -> None:
        multiple = step.arguments.get("multiple", False)
        if "delivery_tag" in step.arguments:
            holdings.settle(holdings.held if multiple else ())
            return
        chosen = self._chosen(step)
        if chosen is None:
            return
        covered = holdings.covered(chosen) if multiple else [chosen]
        holdings.settle(covered or ())

    def _take(self, channel: str) -> None:
        """Pair the tags of the deliveries that came since the last step."""
        ours, theirs = self.ours.lines.get(channel), self.theirs.lines.get(channel)
        if ours is None or theirs is None:
            return
        holdings = self._of(channel)
        first, holdings.seen = holdings.seen, len(ours.events)
        pairs = zip(
            _in_order(ours.events, ours.tags, first),
            _in_order(theirs.events, theirs.tags, first),
            strict=True,
        )
        holdings.held += [Held(a, b) for a, b in pairs if a is not None and b is not None]

    # -- agreement

    def _agree(self) -> None:
        """Wait until both sides show the same.

        Raises:
            Difference: they do not, for `AGREE_TIMEOUT_S`.

        """
        self.ours.pump(0)
        ours = self._view(self.ours)
        deadline = time.monotonic() + AGREE_TIMEOUT_S
        self.theirs.pump(0)
        while (theirs := self._view(self.theirs)) != ours:
            if time.monotonic() > deadline:
                raise Difference(self.done, _differing(ours, theirs), _differing(theirs, ours))
            self.theirs.pump(POLL_S)

    def _view(self, side: Side) -> dict[str, Any]:
        """Return what can be seen of a side: each channel's events, each queue's depth."""
        view: dict[str, Any] = {}
        for channel in CHANNELS:
            line = side.lines.get(channel)
            view[channel] = _grouped(line.events) if line else {}
            view[f"{channel} is open"] = bool(line and line.channel.is_open)
        view.update(self._depths(side))
        return view

    def _depths(self, side: Side) -> dict[str, Depth | None]:
        if side is self.ours:
            return self._our_depths()
        return {
            f"depth of {queue}": self._compared_depth(queue, side.depth(queue, letter))
            for queue, letter in self.seen_queues.items()
        }

    def _compared_depth(self, queue: str, depth: Depth | None) -> Depth | None:
        return (depth[0], 0) if depth and queue in self.quorum else depth

    def _our_depths(self) -> dict[str, Depth | None]:
        """Look for every queue, from both connections, since one may be exclusive.

        Queues that were there before are looked for on the other side too.
        """
        depths: dict[str, Depth | None] = {}
        before, self.seen_queues = self.seen_queues, {}
        names = [*self.queues, *(f"gen{n + 1}" for n in range(len(self.ours.names.made)))]
        for queue in names:
            for letter in "ab":
                depth = self.ours.depth(queue, letter)
                if depth is not None:
                    break
            if depth is not None or queue in before:
                depths[f"depth of {queue}"] = self._compared_depth(queue, depth)
                self.seen_queues[queue] = letter if depth is not None else "a"
        return depths

    def finish(self, exchanges: Sequence[str]) -> None:
        """Compare what is left: late events, what the queues hold, which exchanges exist.

        Raises:
            Difference: the sides do not agree.

        """
        self.theirs.pump(AFTERWARDS_S)
        self.seen_queues = dict.fromkeys(self.queues, "a") | self.seen_queues
        self._agree()
        self._drain()
        # What was unacknowledged returns.
        for channel in CHANNELS:
            self.step(Step(channel, "close"))
        self._drain()
        ours = {name: self.ours.has_exchange(name) for name in exchanges}
        theirs = {name: self.theirs.has_exchange(name) for name in exchanges}
        if ours != theirs:
            raise Difference(self.done, ours, theirs)

    def _drain(self) -> None:
        """Get all that is ready."""
        for queue, letter in sorted(self.seen_queues.items()):
            depth = self.ours.depth(queue, letter)
            for _ in range(depth[0] if depth else 0):
                self.step(Step(f"{letter}1", "basic_get", {"queue": queue, "auto_ack": True}))


def _key(event: Event) -> str:
    return event.consumer_tag if isinstance(event, Delivery) else type(event).__name__


def _grouped(events: Sequence[Event]) -> dict[str, list[Event]]:
    """Return events by consumer; returned messages and cancels are groups of their own."""
    groups: dict[str, list[Event]] = {}
    for event in events:
        groups.setdefault(_key(event), []).append(event)
    for name in ("Cancelled",):
        if name in groups:
            groups[name].sort(key=str)
    return groups


def _in_order(events: Sequence[Event], tags: Sequence[int | None], first: int) -> list[int | None]:
    """Return the delivery tags of new events by consumer, and in the order that they came."""
    new = sorted(range(first, len(events)), key=lambda index: _key(events[index]))
    return [tags[index] for index in new]


def _differing(mine: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {key: mine.get(key) for key in mine | other if mine.get(key) != other.get(key)}


def run(
    steps: Iterable[Step],
    ours: Side,
    theirs: Side,
    queues: Sequence[str],
    exchanges: Sequence[str],
) -> None:
    """Run a conversation on two fresh sides.

    Raises:
        Difference: the sides do not agree.

    """
    conversation = Run(ours, theirs, queues)
    for step in steps:
        conversation.step(step)
    conversation.finish(exchanges)
