"""Where messages go: from an exchange over its bindings, and from a queue as dead letters.

Keys are followed along: what a binding takes of those that come, what is left for the alternate or
for nobody. In a queue, a message that nobody consumes dies of whatever comes first, and goes the
way of dead letters; that way is the same for all reasons. It ends where a queue lets messages wait,
where they are lost, or where they have been before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, evolve, field, frozen

from leveret.config.coverage import covered_bindings
from leveret.config.explain_parts import Death, Destination, Fate, Leftover
from leveret.config.explain_ways import Passage, Way, Ways
from leveret.routing import KeySet

if TYPE_CHECKING:
    from leveret.queues.settings import QueueSettings

__all__ = ["Fates", "deaths_in"]

#: Destinations told of in one explanation.
MAX_DESTINATIONS = 1_000
#: Exchanges and queues that messages are followed into, one after the other.
MAX_STEPS = 60


def deaths_in(settings: QueueSettings) -> tuple[Death, ...]:
    """Return what messages can die of in a queue."""
    found: list[Death] = []
    if settings.message_ttl_ms is not None:
        found.append(Death("expired", after_ms=settings.message_ttl_ms))
    found.append(Death("rejected"))
    lengths = settings.max_length, settings.max_length_bytes
    if lengths != (None, None) and settings.overflow != "reject-publish":
        newest = settings.overflow == "reject-publish-dlx"
        found.append(
            Death("maxlen", max_length=lengths[0], max_length_bytes=lengths[1], newest=newest)
        )
    if settings.delivery_limit is not None:
        found.append(Death("delivery_limit", deliveries=settings.delivery_limit))
    return tuple(found)


@frozen
class _Trail:
    """How messages came to where they are followed."""

    #: Whether they died on the way; else they were published to an exchange.
    dead: bool = True
    #: The time in each queue since the last where nothing expires.
    waited_ms: tuple[int, ...] = ()
    queues: tuple[str, ...] = ()
    #: How many exchanges and queues they came to.
    steps: int = 0
    #: The exchanges since they were published: none is passed twice (S34).
    exchanges: tuple[str, ...] = ()

    def into(self, exchange: str) -> _Trail:
        return evolve(self, steps=self.steps + 1, exchanges=(*self.exchanges, exchange))


@define(eq=False)
class Fates:
    """Follows messages onward through one virtual host."""

    ways: Ways
    _told: int = 0
    # of one publish: exchange -> the messages that were followed on from there
    _seen: dict[str, list[Passage]] = field(factory=dict)

    def of_queue(self, queue: str) -> Fate:
        """Return what becomes of messages in a queue."""
        return self._fate(queue, self.ways.incoming(queue), _Trail())

    def from_exchange(self, exchange: str) -> tuple[tuple[Destination, ...], int, Leftover | None]:
        """Return whom an exchange leads to, how many more there are, and what nothing takes."""
        self._seen = {exchange: [Passage(KeySet.everything())]}
        return self._onward(
            exchange, Passage(KeySet.everything()), _Trail(dead=False, exchanges=(exchange,))
        )

    def _fate(self, queue: str, keys: KeySet, trail: _Trail) -> Fate:
        view = self.ways.view
        settings = view.settings[queue]
        deaths = deaths_in(settings)
        if queue in trail.queues:
            circle = trail.queues[trail.queues.index(queue) :]
            by_themselves = all(len(deaths_in(view.settings[one])) > 1 for one in circle)
            return Fate(queue, trail.waited_ms, (), again=True, ends=by_themselves)
        fate = Fate(
            queue,
            trail.waited_ms,
            deaths,
            settings.dead_letter_exchange,
            dead_letter_routing_key=settings.dead_letter_routing_key,
            at_least_once=_is_at_least_once(settings),
            refuses=settings.overflow == "reject-publish"
            and (settings.max_length is not None or settings.max_length_bytes is not None),
            max_length=settings.max_length,
            max_length_bytes=settings.max_length_bytes,
        )
        exchange = settings.dead_letter_exchange
        if exchange is None:
            return fate
        return self._dead_lettered(fate, exchange, keys, trail)

    def _dead_lettered(self, fate: Fate, exchange: str, keys: KeySet, trail: _Trail) -> Fate:
        declared = self.ways.view.exchanges.get(exchange)
        if declared is None:
            return evolve(fate, exchange_exists=False)
        if trail.steps > MAX_STEPS:
            return evolve(fate, cut=True)
        if fate.dead_letter_routing_key is not None:
            keys = KeySet.of([fate.dead_letter_routing_key])
        seen, self._seen = self._seen, {exchange: [Passage(keys)]}
        queues = (*trail.queues, fate.queue)
        after = _Trail(True, fate.leaves_after_ms or (), queues, trail.steps + 1, (exchange,))
        onward, more, leftover = self._onward(exchange, Passage(keys), after)
        self._seen = seen
        return evolve(
            fate,
            dead_letter_exchange_type=declared.type,
            onward=onward,
            more=more,
            leftover=leftover,
        )

    def _onward(
        self, exchange: str, passage: Passage, trail: _Trail
    ) -> tuple[tuple[Destination, ...], int, Leftover | None]:
        """Follow the ways out of an exchange."""
        if not exchange:
            return self._by_name(passage, trail)
        found: list[Destination] = []
        more = 0
        for way in self.ways.out_of(exchange):
            onward = self.ways.along(passage, way)
            if trail.steps and onward.is_closed():
                continue
            if self._told >= MAX_DESTINATIONS:
                more += 1
            else:
                found.append(self._destination(way, onward, trail))
        rest_keys, rest_misses = self.ways.untaken(exchange)
        keys = self.ways.meet(passage.keys, rest_keys)
        rest = Passage(keys, passage.passes, (*passage.misses, *rest_misses))
        if rest.is_closed():
            return tuple(found), more, None
        alternate = self.ways.view.alternates.get(exchange)
        if alternate is not None and alternate in self.ways.view.exchanges and alternate:
            way = self.ways.to_alternate(exchange, alternate)
            found.append(self._destination(way, rest, trail))
            return tuple(found), more, None
        lost = None if rest.keys.is_everything else rest.keys.example()
        return tuple(found), more, Leftover(exchange, rest.keys, lost)

    def _by_name(
        self, passage: Passage, trail: _Trail
    ) -> tuple[tuple[Destination, ...], int, Leftover | None]:
        """Follow the default exchange: a single key leads to the queue of that name."""
        queues = self.ways.view.host.queues
        names = [key for key in passage.keys.keys if key in queues]
        found = [
            self._destination(self.ways.by_name(name), Passage(KeySet.of([name])), trail)
            for name in names[:MAX_DESTINATIONS]
            if self._told < MAX_DESTINATIONS
        ]
        more = len(names) - len(found)
        if passage.keys.patterns or len(names) < len(passage.keys.keys):
            lost = next((key for key in passage.keys.keys if key not in queues), None)
            return tuple(found), more, Leftover("", passage.keys, lost)
        return tuple(found), more, None

    def _destination(self, way: Way, passage: Passage, trail: _Trail) -> Destination:
        self._told += 1
        view = self.ways.view
        found = Destination(
            way.destination_type,
            way.destination,
            "",
            way.bindings,
            self.ways.labels(way.bindings),
            way.as_alternate,
            way.chance,
            passage.keys,
            passage.keys.example() if way.as_alternate and passage.keys.taken else None,
            () if trail.steps else self._covered(way),
        )
        if way.destination_type == "queue":
            if not trail.dead:
                return found
            fate = self._fate(way.destination, passage.keys, trail)
            return evolve(found, fate=fate)
        found = evolve(found, exchange_type=view.exchanges[way.destination].type)
        followed = self._seen.setdefault(way.destination, [])
        if way.destination in trail.exchanges or trail.steps > MAX_STEPS:
            return evolve(found, seen=True)
        if any(_is_part_of(passage, earlier) for earlier in followed):
            return evolve(found, seen=True)
        followed.append(passage)
        onward, more, leftover = self._onward(way.destination, passage, trail.into(way.destination))
        return evolve(found, onward=onward, more=more, leftover=leftover)

    def _covered(self, way: Way) -> tuple[tuple[str, str], ...]:
        if len(way.bindings) < 2:
            return ()
        kind = self.ways.view.exchanges[way.source].routes_as
        return tuple(
            (self.ways.label(binding), self.ways.label(cover))
            for binding, cover in covered_bindings(way.bindings, kind)
        )


def _is_part_of(passage: Passage, whole: Passage) -> bool:
    """Say whether it is plain that all messages of one passage are among those of another."""
    if passage.passes[: len(whole.passes)] != whole.passes:
        return False
    if not all(miss in passage.misses for miss in whole.misses):
        return False
    return whole.keys.is_everything or (
        passage.keys == whole.keys and set(whole.keys.taken) <= set(passage.keys.taken)
    )


def _is_at_least_once(settings: QueueSettings) -> bool:
    return (
        settings.type == "quorum"
        and settings.dead_letter_strategy == "at-least-once"
        and settings.overflow == "reject-publish"
    )
