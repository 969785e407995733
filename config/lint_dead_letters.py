"""Rules about messages that die: circles, queues where dead letters pile up, times that mislead.

A circle is looked for among queues and the places that dead letters are sent to, (exchange, key).
Without a dead-letter routing key a message keeps its own, which a file does not say; then every
binding of the exchange counts at first, and a circle found is walked once more to see whether some
key could go all the way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from attrs import define, field

from leveret.config.coverage import topic_pattern
from leveret.config.lint_host import HostLint
from leveret.config.quantities import format_duration
from leveret.config.source import quoted
from leveret.config.view import dies_by_itself

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from leveret.config.view import HostView
    from leveret.queues.settings import QueueSettings
    from leveret.routing import TopicPattern

__all__ = ["DEAD_LETTER_RULES"]

#: Where a dead letter is sent, or goes on to: an exchange, and the key or None for its own.
_Place: TypeAlias = "tuple[str, str | None]"


@define(eq=False)
class _Graph:
    """Queues and places, and where each leads. Those queues alone lead on that `leads_on` takes."""

    view: HostView
    leads_on: Callable[[QueueSettings], bool]
    # place -> what it leads to
    _onward: dict[_Place, list[_Place | str]] = field(factory=dict)

    def onward(self, node: _Place | str) -> list[_Place | str]:
        """Return the places that a queue leads to, or the queues and places that a place does."""
        if isinstance(node, str):
            settings = self.view.settings[node]
            if settings.dead_letter_exchange is None or not self.leads_on(settings):
                return []
            return [(settings.dead_letter_exchange, settings.dead_letter_routing_key)]
        if node not in self._onward:
            self._onward[node] = list(self._from_place(*node))
        return self._onward[node]

    def _from_place(self, exchange: str, key: str | None) -> Iterable[_Place | str]:
        view = self.view
        if key is not None:
            return view.routes.reached(exchange, (key,))
        if not exchange:
            return []
        found: dict[_Place | str, None] = {}
        for binding in view.from_exchange.get(exchange, ()):
            if binding.destination_type == "exchange":
                found[binding.destination, None] = None
            elif binding.destination in view.settings:
                found[binding.destination] = None
        if exchange in view.alternates:
            found[view.alternates[exchange], None] = None
        return found

    def circles(self) -> list[list[_Place | str]]:
        """Return one shortest circle of each set of queues that lead to each other."""
        return [
            circle
            for group in _components(self.view.settings, self.onward)
            if (circle := self._shortest(group)) is not None
        ]

    def _shortest(self, group: set[_Place | str]) -> list[_Place | str] | None:
        queues = [name for name in self.view.settings if name in group]
        if not queues:
            return None  # exchanges that lead to each other: no message goes round there (S34)
        start = queues[0]
        came_from: dict[_Place | str, _Place | str] = {}
        work: list[_Place | str] = [start]
        for node in work:
            for onward in self.onward(node):
                if onward == start:
                    path = [node]
                    while path[-1] != start:
                        path.append(came_from[path[-1]])
                    return path[::-1]
                if onward in group and onward not in came_from:
                    came_from[onward] = node
                    work.append(onward)
        return None


def _components(
    starts: Iterable[str], onward: Callable[[_Place | str], list[_Place | str]]
) -> list[set[_Place | str]]:
    """Return the sets of nodes that all lead to each other, by Tarjan's algorithm, unrolled."""
    index: dict[_Place | str, int] = {}
    low: dict[_Place | str, int] = {}
    stack: list[_Place | str] = []
    on_stack: set[_Place | str] = set()
    found: list[set[_Place | str]] = []
    for start in starts:
        if start in index:
            continue
        work: list[tuple[_Place | str, Iterator[_Place | str]]] = [(start, iter(onward(start)))]
        index[start] = low[start] = len(index)
        stack.append(start)
        on_stack.add(start)
        while work:
            node, following = work[-1]
            for child in following:
                if child not in index:
                    index[child] = low[child] = len(index)
                    stack.append(child)
                    on_stack.add(child)
                    work.append((child, iter(onward(child))))
                    break
                if child in on_stack:
                    low[node] = min(low[node], index[child])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    group = set()
                    while node not in group:
                        group.add(stack.pop())
                    on_stack -= group
                    if len(group) > 1:
                        found.append(group)
    return found


def _can_be_walked(view: HostView, circle: list[_Place | str]) -> bool:
    """Say whether some key may take a message all the way round.

    Checked is each exchange alone: a binding to what follows must share a key with one by which
    messages come to the queue that was left.
    """
    queue = ""
    for i, node in enumerate(circle):
        if isinstance(node, str):
            queue = node
            continue
        exchange, key = node
        declared = view.exchanges.get(exchange)
        if key is not None or declared is None or declared.routes_as not in ("direct", "topic"):
            continue
        following = circle[(i + 1) % len(circle)]
        name = following if isinstance(following, str) else following[0]
        wanted = [
            binding.routing_key
            for binding in view.from_exchange.get(exchange, ())
            if binding.destination == name
        ]
        if wanted and not _share_a_key(view, _keys_into(view, queue), wanted, exchange):
            return False
    return True


def _keys_into(view: HostView, queue: str) -> list[TopicPattern] | None:
    """Return patterns of the keys that messages in a queue may have; None if they may have any."""
    patterns = [_literal(queue)]
    for binding in view.to_queue.get(queue, ()):
        source = view.exchanges.get(binding.source)
        if source is None or source.routes_as not in ("direct", "topic"):
            return None
        if source.internal:
            continue  # nobody publishes to it: what comes over it has been elsewhere before
        topic = source.routes_as == "topic"
        written = binding.routing_key
        patterns.append(topic_pattern(written) if topic else _literal(written))
    patterns += [_literal(key) for _, key in view.dead_letter_targets if key is not None]
    return patterns


def _literal(key: str) -> TopicPattern:
    return topic_pattern(key.replace("*", "x").replace("#", "x"))


def _share_a_key(
    view: HostView, known: list[TopicPattern] | None, wanted: list[str], exchange: str
) -> bool:
    if known is None:
        return True
    topic = view.exchanges[exchange].routes_as == "topic"
    patterns = [topic_pattern(key) if topic else _literal(key) for key in wanted]
    if len(known) * len(patterns) > _MOST_COMPARISONS:
        return True
    return any(one.overlaps(other) for one in known for other in patterns)


#: Pairs of patterns compared for one step of a circle.
_MOST_COMPARISONS = 2_000


def _cycles(lint: HostLint) -> None:
    """L05 and L16: circles of dead letters, by themselves or with a consumer that rejects."""
    view = lint.view
    if not view.dead_letter_targets or not (lint.wants("L05") or lint.wants("L16")):
        return
    known: set[_Place | str] = set()
    for circle in _Graph(view, lambda settings: bool(dies_by_itself(settings))).circles():
        if not _can_be_walked(view, circle):
            continue
        known.update(circle)
        first = str(circle[0])
        lint.report(
            "L05",
            view.host.queues[first],
            f"dead letters of queue {quoted(first)} go round in a circle; RabbitMQ drops a message"
            " that comes to a queue again without having been rejected",
            "Lead one of these queues elsewhere, or give it no limit and no TTL.",
            _drawn(view, circle),
        )
    for circle in _Graph(view, lambda _: True).circles():
        if known.isdisjoint(circle) and lint.wants("L16") and _can_be_walked(view, circle):
            first = str(circle[0])
            lint.report(
                "L16",
                view.host.queues[first],
                f"a message that is always rejected goes round for ever, by queue {quoted(first)}",
                "Let consumers count the entries of 'x-death', and put it aside after some.",
                _drawn(view, circle),
            )


def _drawn(view: HostView, circle: list[_Place | str]) -> str:
    lines: list[str] = []
    for node in circle:
        if isinstance(node, str):
            lines.append(f"│ queue {quoted(node)}")
            lines.append(f"│   {_how_it_dies(view.settings[node])}")
        else:
            exchange, key = node
            way = f"exchange {quoted(exchange)}" if exchange else "the default exchange"
            with_key = f" with key {quoted(key)}" if key is not None else ""
            lines.append(f"│   ─▶ {way}{with_key}")
    lines[0] = "┌▶" + lines[0].removeprefix("│")
    return "\n".join([*lines, "└─ and again"])


def _how_it_dies(settings: QueueSettings) -> str:
    if settings.message_ttl_ms is not None:
        return f"expires after {format_duration(settings.message_ttl_ms)}"
    return "over its limit" if dies_by_itself(settings) else "is rejected"


def _no_limit(lint: HostLint) -> None:
    """L06: a queue that only dead letters come to, and that nothing limits.

    Dead letters count here that somebody has to look at: those of a queue without TTL and limit,
    where a message dies because it was rejected. What expires or overflows as planned goes on to a
    queue that is worked off.
    """
    view = lint.view
    if not view.dead_letter_targets or not lint.wants("L06"):
        return
    places: list[tuple[str, str | None]] = []
    for place, sources in view.dead_letter_targets.items():
        if any(not dies_by_itself(view.settings[source]) for source in sources):
            places.append(place)
    keys = dict.fromkeys(places)
    dead_letters_only = set(view.all_onward(exchange for exchange, key in places if key is None))
    for name, queue in view.host.queues.items():
        settings = view.settings[name]
        if _is_limited(settings) or settings.dead_letter_exchange is not None:
            continue
        bindings = view.to_queue.get(name, [])
        by_name = ("", name) in keys
        if not bindings and not by_name:
            continue
        if all(
            binding.source in dead_letters_only or (binding.source, binding.routing_key) in keys
            for binding in bindings
        ):
            lint.report(
                "L06",
                queue,
                f"rejected messages pile up in queue {quoted(name)}: nothing limits it",
                "Limit it by a policy, or declare it with a 'max_length', 'max_bytes' or 'ttl'.",
            )


def _is_limited(settings: QueueSettings) -> bool:
    limits = settings.max_length, settings.max_length_bytes, settings.message_ttl_ms
    return any(limit is not None for limit in limits)


def _behind_the_head(lint: HostLint) -> None:
    """L07: messages expire at the head of a queue alone (S89)."""
    view = lint.view
    if not lint.wants("L07"):
        return
    for name, queue in view.host.queues.items():
        settings = view.settings[name]
        if settings.message_ttl_ms is None or settings.dead_letter_exchange is None:
            continue
        lint.report(
            "L07",
            queue,
            f"a message with a shorter 'expiration' of its own waits in queue {quoted(name)}"
            f" behind those before it, up to {format_duration(settings.message_ttl_ms)}",
            "Give each delay a queue of its own, and publish to it without 'expiration'.",
        )


def _ttl_with_priorities(lint: HostLint) -> None:
    """L08: an expired message behind one of a higher priority stays where it is (S99)."""
    view = lint.view
    for name, queue in view.host.queues.items():
        settings = view.settings[name]
        if settings.type != "classic" or settings.max_priority is None:
            continue
        if settings.message_ttl_ms is not None:
            lint.report(
                "L08",
                queue,
                f"queue {quoted(name)} has priorities and a TTL: an expired message waits while one"
                " of a higher priority stands before it",
                "Use a queue for each priority, or let consumers look at the age of a message.",
            )


DEAD_LETTER_RULES = (_cycles, _no_limit, _behind_the_head, _ttl_with_priorities)
