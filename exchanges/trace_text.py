"""Draws a `RouteTrace` as a tree of plain text.

    exchange 'orders' (topic) ◀─ routing key 'order.paid.eu'
    ├─ ✔ '#'           ─▶ exchange 'audit' (fanout)
    │  └─ ✔ ─▶ queue 'everything'
    └─ ✘ 'order.*.us'  ─▶ queue 'us': word 3 is 'eu', the pattern wants 'us'
    ✔ reaches 'everything' (through 'audit')

What an exchange led to hangs below the binding that led there. Names are quoted as Python quotes
strings, so that no control character in a name reaches a terminal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from leveret.exchanges.base import printable
from leveret.exchanges.tree import Branch

if TYPE_CHECKING:
    from leveret.exchanges.trace import Considered, RouteTrace, Visit

__all__ = ["MISSES_DRAWN", "draw"]

#: Bindings that did not match are all drawn up to this number; past it, only the nearest.
MISSES_DRAWN = 5
#: Labels are padded to stand in line, but no further than this.
_LABEL_WIDTH = 40
_HEADERS_WIDTH = 200


def draw(trace: RouteTrace) -> str:
    """Return the tree, without a newline at its end."""
    return _Drawing(trace).draw()


@define
class _Drawing:
    """The state of one drawing."""

    trace: RouteTrace
    # exchange -> its visit
    visits: dict[str, Visit] = field(init=False)
    queues: set[str] = field(init=False)
    #: Queues drawn so far; what comes to one again is told so.
    drawn: set[str] = field(factory=set, init=False)
    #: What remains to be drawn: the visit, and the branch that led to it.
    work: list[tuple[Visit, Branch]] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self.visits = {visit.exchange: visit for visit in self.trace.visits}
        self.queues = {*self.trace.queues, *self.trace.possible}

    def draw(self) -> str:
        start = self.trace.visits[0]
        root = Branch(f"{_exchange(start)} ◀─ {_message(self.trace)}")
        self.work.append((start, root))
        for visit, branch in self.work:
            self._bindings(visit, branch)
            self._ending(visit, branch)
        return "\n".join([*root.lines(), _outcome(self.trace)])

    def _bindings(self, visit: Visit, branch: Branch) -> None:
        shown = _shown(visit)
        width = min(max((len(one.label) for one in shown), default=0), _LABEL_WIDTH)
        for one in shown:
            label = f"{one.label:{width}} " if width else ""
            text = f"{_mark(visit, one)} {label}─▶ {self._destination(one)}"
            if one.reason:
                text += f" ({one.reason})" if one.matched else f": {one.reason}"
            if not visit.matched and one is visit.nearest[0] and len(visit.considered) > 1:
                text += "  ◀ nearest miss"
            below = branch.hang(text)
            if (opened := self._opened(one)) is not None:
                self.work.append((opened, below))
        if hidden := len(visit.considered) - len(shown):
            branch.hang(f"… and {hidden} more that did not match")

    def _opened(self, one: Considered) -> Visit | None:
        """Return the visit that this binding led to, if it was the first to lead there."""
        binding = one.binding
        if not one.matched or binding.destination_type != "exchange":
            return None
        visit = self.visits.get(binding.destination)
        return visit if visit is not None and visit.binding == binding else None

    def _destination(self, one: Considered) -> str:
        if (opened := self._opened(one)) is not None:
            return _exchange(opened)
        name = one.binding.destination
        text = f"{one.binding.destination_type} {name!r}"
        if not one.matched:
            return text
        if one.binding.destination_type == "exchange":
            state = "visited already" if name in self.visits else "which does not exist"
        elif name not in self.queues:
            state = "which does not exist"
        elif name in self.drawn:
            state = "reached already"
        else:
            self.drawn.add(name)
            return text
        return f"{text}, {state}"

    def _ending(self, visit: Visit, branch: Branch) -> None:
        """Say what follows where nothing matched."""
        if visit.matched:
            return
        if not visit.exchange:
            keys = ", ".join(map(repr, self.trace.routing_keys))
            branch.hang(f"✘ there is no queue {keys}")
            return
        nothing = "nothing matched" if visit.considered else "nothing is bound"
        name = visit.alternate
        if name is None:
            if not visit.considered:
                branch.hang(f"✘ {nothing}")
            return
        to = self.visits.get(name)
        if not name:
            branch.hang(f"✘ {nothing}; the default exchange as alternate leads nowhere")
        elif to is None:
            branch.hang(f"✘ {nothing}; the alternate exchange {name!r} does not exist")
        elif to.source != visit.exchange or to.binding is not None:
            branch.hang(f"✘ {nothing}; the alternate exchange {name!r} was visited already")
        else:
            self.work.append((to, branch.hang(f"↪ {nothing}; alternate {_exchange(to)}")))


def _shown(visit: Visit) -> list[Considered]:
    misses = sum(not one.matched for one in visit.considered)
    if misses <= MISSES_DRAWN:
        return list(visit.considered)
    return [*(one for one in visit.considered if one.matched), *visit.nearest[:MISSES_DRAWN]]


def _mark(visit: Visit, one: Considered) -> str:
    if not one.matched:
        return "✘"
    return "?" if visit.by_chance else "✔"


def _exchange(visit: Visit) -> str:
    if not visit.exchange:
        return "the default exchange"
    note = f", {visit.note}" if visit.note else ""
    return f"exchange {visit.exchange!r} ({visit.type}{note})"


def _message(trace: RouteTrace) -> str:
    key, *copies = trace.routing_keys
    text = f"routing key {key!r}"
    if copies:
        text += f", and by CC or BCC {', '.join(map(repr, copies))}"
    headers = ", ".join(
        f"{printable(name)}={value!r}"
        for name, value in trace.headers.items()
        if not (copies and name in ("CC", "BCC"))
    )
    if len(headers) > _HEADERS_WIDTH:
        headers = headers[: _HEADERS_WIDTH - 1] + "…"
    return f"{text}, headers {headers}" if headers else text


def _outcome(trace: RouteTrace) -> str:
    if trace.unroutable:
        return "✘ reaches no queue: returned if published as mandatory, dropped otherwise"
    parts = []
    if trace.queues:
        parts.append("reaches " + _queue_list(trace, trace.queues))
    if trace.possible:
        parts.append("by chance reaches " + _queue_list(trace, trace.possible, " or "))
    return f"{'✔' if trace.queues else '?'} {'; '.join(parts)}"


def _queue_list(trace: RouteTrace, queues: tuple[str, ...], comma: str = ", ") -> str:
    return comma.join(f"{queue!r}{_through(trace, queue)}" for queue in queues)


def _through(trace: RouteTrace, queue: str) -> str:
    between = [repr(exchange) for exchange, _ in trace.paths[queue]][1:]
    if len(between) > 3:
        between[2:-1] = [f"{len(between) - 3} more"]
    return f" (through {', '.join(between)})" if between else ""
