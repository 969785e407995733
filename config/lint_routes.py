"""Rules about where messages can go: exchanges, bindings, and queues that nothing reaches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leveret.config.binding_text import format_binding
from leveret.config.coverage import covered_bindings, topic_pattern, untaken_key
from leveret.config.lint_host import HostLint, named
from leveret.config.source import quoted
from leveret.config.view import can_take_something

if TYPE_CHECKING:
    from leveret.config.model import BindingDeclaration, DestinationType, ExchangeDeclaration
    from leveret.config.view import HostView

__all__ = ["ROUTE_RULES"]

#: RabbitMQ 4.3.5 refuses more (S49), since matching costs the key's length to this power.
_MOST_HASHES = 2


def _leads_nowhere(lint: HostLint) -> None:
    """L01: an exchange from which no queue can be reached."""
    view = lint.view
    if not lint.wants("L01"):
        return
    before = _before(view)
    leading = _all_before(
        before,
        [
            name
            for name, bindings in view.from_exchange.items()
            if any(binding.destination_type == "queue" for binding in bindings)
        ],
    )
    nowhere = [name for name in view.host.exchanges if name not in leading]
    ends = [name for name in nowhere if not view.onward(name)]
    before_ends = _all_before(before, ends).difference(ends)
    for name in nowhere:
        onward = list(dict.fromkeys(view.onward(name)))
        if not onward:
            message = f"exchange {quoted(name)} leads nowhere: nothing is bound to it"
            remedy = "Bind a queue to it, give it an 'alternate', or remove it."
        elif name in before_ends:
            continue  # the end is reported
        else:
            message = f"exchange {quoted(name)} leads to no queue, only to {named(onward)}"
            remedy = "Bind a queue to one of them, or remove what leads there."
        lint.report("L01", view.host.exchanges[name], message, remedy)


def _before(view: HostView) -> dict[str, list[str]]:
    """Return, for each exchange, those that lead to it."""
    before: dict[str, list[str]] = {}
    for name in view.exchanges:
        for onward in view.onward(name):
            before.setdefault(onward, []).append(name)
    return before


def _all_before(before: dict[str, list[str]], names: list[str]) -> set[str]:
    """Return the exchanges given and all that lead to them, over any number of steps."""
    found, work = set(names), list(names)
    while work:
        for name in before.get(work.pop(), ()):
            if name not in found:
                found.add(name)
                work.append(name)
    return found


def _nothing_reaches(lint: HostLint) -> None:
    """L02: a queue that no exchange but the default one leads to.

    Where nothing is bound but for dead letters, queues are meant to be reached by their names.
    """
    view, host = lint.view, lint.view.host
    dead_letters = {exchange for exchange, _ in view.dead_letter_targets}
    if all(one.source in dead_letters for one in host.bindings) or not lint.wants("L02"):
        return
    reached = _reached_queues(view)
    expected = {
        one.routing_key
        for one in lint.topology.expectations
        if one.exchange == "" and one.virtual_host == host.name
    }
    expected |= {one.routing_key for one in host.requests.values() if not one.exchange}
    expected |= {one.dead_letter for one in host.subscriptions.values() if one.dead_letter}
    for name, queue in host.queues.items():
        if name in reached or name in expected:
            continue
        bindings = view.to_queue.get(name, [])
        message = f"nothing is bound to queue {quoted(name)}: only its name reaches it"
        remedy = "Bind it; or, if it is published to by its name, say so with an 'expect'."
        if bindings:
            sources = list(dict.fromkeys(binding.source for binding in bindings))
            message = f"nothing reaches queue {quoted(name)}: {named(sources)} brings it no message"
            remedy = "Let an exchange that is published to lead there."
        lint.report("L02", queue, message, remedy)


def _reached_queues(view: HostView) -> set[str]:
    """Return the queues that messages come to otherwise than by the queue's name."""
    starts = [name for name, exchange in view.exchanges.items() if name and not exchange.internal]
    starts += [exchange for exchange, _ in view.dead_letter_targets]
    found: set[str] = set()
    for name in view.all_onward(starts):
        kind = view.exchanges[name].routes_as if name in view.exchanges else ""
        found.update(
            binding.destination
            for binding in view.from_exchange.get(name, ())
            if binding.destination_type == "queue" and can_take_something(binding, kind)
        )
    found.update(
        key for exchange, key in view.dead_letter_targets if not exchange and key is not None
    )
    return found


def _covered(lint: HostLint) -> None:
    """L03: a binding that another one of the same destination makes needless."""
    if not lint.wants("L03"):
        return
    for source, bindings in lint.view.from_exchange.items():
        exchange = lint.view.exchanges.get(source)
        if exchange is None:
            continue
        for binding, cover in covered_bindings(bindings, exchange.routes_as):
            what = (
                "says the same as" if _says_the_same(binding, cover, exchange) else "is covered by"
            )
            lint.report_binding(
                "L03",
                binding,
                f"the binding {_text(binding)} {what} {_text(cover)}{_place(binding, cover)}",
                "Remove it: what it takes arrives without it.",
            )


def _says_the_same(
    one: BindingDeclaration, other: BindingDeclaration, exchange: ExchangeDeclaration
) -> bool:
    if exchange.routes_as == "topic":
        patterns = [topic_pattern(binding.routing_key) for binding in (one, other)]
        return patterns[0].covers(patterns[1])
    return exchange.routes_as != "headers"


def _place(binding: BindingDeclaration, cover: BindingDeclaration) -> str:
    if cover.position is None or binding.position is None or cover.position == binding.position:
        return ""
    if cover.position.file == binding.position.file:
        return f" in line {cover.position.line}"
    return f" at {cover.position}"


def _text(binding: BindingDeclaration) -> str:
    if binding.arguments:
        match = ", ".join(f"{name}: {value!r}" for name, value in binding.arguments.items())
        return quoted(f"{binding.source} {{{match}}} -> {binding.destination}", 80)
    kind: DestinationType | None = "exchange"
    if binding.destination_type == "queue":
        kind = None
    keys = [binding.routing_key]
    return quoted(format_binding(binding.source, keys, binding.destination, kind), 80)


def _untaken(lint: HostLint) -> None:
    """L04: keys that no binding of an exchange takes, where nothing else takes them either."""
    if not lint.wants("L04"):
        return
    view = lint.view
    for name, exchange in view.host.exchanges.items():
        bindings = view.from_exchange.get(name)
        if not bindings or exchange.internal or name in view.alternates:
            continue
        keys = dict.fromkeys(binding.routing_key for binding in bindings)
        if exchange.routes_as == "topic":
            key = untaken_key(map(topic_pattern, keys))
        elif exchange.routes_as == "direct":
            first = next(iter(keys))
            key = next(made for n in range(len(keys) + 1) if (made := first + "x" * n) not in keys)
        else:
            continue
        if key is not None:
            lint.report(
                "L04",
                exchange,
                f"no binding of exchange {quoted(name)} takes the key {quoted(key)}, for example",
                "Give it an 'alternate' if such messages should not be lost.",
            )


def _too_many_hashes(lint: HostLint) -> None:
    """L12: more `#` than RabbitMQ 4.3 allows; there it is refused (E04)."""
    view = lint.view
    if view.profile == "4.3" or not lint.wants("L12"):
        return
    for binding in view.host.bindings:
        exchange = view.exchanges.get(binding.source)
        if binding.routing_key.count("#") <= _MOST_HASHES or exchange is None:
            continue
        if exchange.routes_as == "topic":
            count = topic_pattern(binding.routing_key).hash_count
            if count > _MOST_HASHES:
                lint.report_binding(
                    "L12",
                    binding,
                    f"the key {quoted(binding.routing_key)} has {count} '#', and RabbitMQ 4.3"
                    f" refuses more than {_MOST_HASHES}: matching them is slow",
                    "Say with fewer '#' what is meant; two seldom say less.",
                )


def _takes_nothing(lint: HostLint) -> None:
    """L15: `x-match: any` of no headers takes no message (S50)."""
    view = lint.view
    for binding in view.host.bindings:
        exchange = view.exchanges.get(binding.source)
        if exchange is not None and not can_take_something(binding, exchange.routes_as):
            lint.report_binding(
                "L15",
                binding,
                "this binding takes no message: 'x-match: any' names no header to match",
                "Name headers, or write 'x-match: all' to take every message.",
            )


ROUTE_RULES = (
    _leads_nowhere,
    _nothing_reaches,
    _covered,
    _untaken,
    _too_many_hashes,
    _takes_nothing,
)
