"""Explanations as text: a heading, what comes in, what goes out, each drawn as a tree.

    queue 'shipping' (classic)

    what reaches it
    ├─ ✔ exchange 'orders' (topic) by 'order.*.packed', such as 'order.x.packed'
    └─ ✔ the default exchange, key 'shipping'

    what becomes of it
    ├─ ✔ consumed and acknowledged
    └─ ✘ expired after 1h or rejected
       └─ ─▶ exchange 'shipping.dlx' (fanout) ─▶ queue 'shipping.dlq' after 1h: stays there …

Names are quoted as Python quotes strings, so that no control character in one reaches a terminal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leveret.config.explain_fate_text import destinations, fate_lines, leftover_text
from leveret.config.explain_source_text import example_text, exchange_name, hang_sources
from leveret.config.quantities import format_duration
from leveret.exchanges.tree import Branch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leveret.config.explain_values import (
        ExchangeExplanation,
        PairExplanation,
        QueueExplanation,
        Together,
    )

__all__ = ["exchange_text", "pair_text", "queue_text"]


def queue_text(explained: QueueExplanation) -> str:
    """Return the explanation of a queue, without a newline at its end."""
    words = list(_queue_words(explained))
    where = _where(explained.virtual_host)
    reaches = Branch("what reaches it")
    hang_sources(reaches, explained.sources, explained.more_sources)
    becomes = Branch("what becomes of it")
    fate_lines(becomes, explained.fate)
    for text in _queue_ends(explained):
        becomes.hang(text)
    heading = Branch(f"queue {explained.queue!r} ({', '.join(words)}){where}")
    return _sections(heading, reaches, becomes)


def _queue_words(explained: QueueExplanation) -> Iterator[str]:
    yield explained.type
    if not explained.durable:
        yield "transient"
    if explained.exclusive:
        yield "exclusive"
    if explained.auto_delete:
        yield "auto-delete"
    if explained.max_priority is not None:
        yield f"priorities up to {explained.max_priority}"
    if explained.single_active_consumer:
        yield "single active consumer"
    yield from _policy_words(explained)


def _policy_words(explained: QueueExplanation | ExchangeExplanation) -> Iterator[str]:
    if explained.policy is not None:
        yield f"policy {explained.policy!r}"
    if explained.operator_policy is not None:
        yield f"operator policy {explained.operator_policy!r}"


def _queue_ends(explained: QueueExplanation) -> Iterator[str]:
    """Say what ends the queue, and all that is in it."""
    lost = "the queue goes, and what is in it is lost without dead-lettering"
    if explained.expires_ms is not None:
        yield f"✘ unused for {format_duration(explained.expires_ms)}: {lost}"
    if explained.exclusive:
        yield f"✘ its connection closed: {lost}"
    elif explained.auto_delete:
        yield f"✘ its last consumer gone: {lost}"
    elif not explained.durable:
        yield f"✘ the broker restarted: {lost}"


def exchange_text(explained: ExchangeExplanation) -> str:
    """Return the explanation of an exchange, without a newline at its end."""
    where = _where(explained.virtual_host)
    words = [explained.type]
    words += [] if explained.durable or not explained.exchange else ["transient"]
    words += ["auto-delete"] if explained.auto_delete else []
    words += ["internal"] if explained.internal else []
    words += _policy_words(explained)
    gets = Branch("who gets what")
    if not explained.exchange:
        heading = Branch(f"the default exchange{where}")
        gets.hang("✔ each queue, by its name as the routing key")
        gets.hang("✘ any other key: returned if published as mandatory, dropped otherwise")
    else:
        heading = Branch(f"exchange {explained.exchange!r} ({', '.join(words)}){where}")
        destinations(gets, explained.onward, explained.more)
        if explained.leftover is not None:
            nobody = "every message, since nothing is bound to it"
            what = leftover_text(explained.leftover) if explained.onward else nobody
            end = "returned if published as mandatory, dropped otherwise"
            gets.hang(f"✘ {what}: {'lost' if explained.internal else end}")
    leads = Branch("what leads to it")
    if explained.internal:
        leads.hang("✘ no publisher: it is internal")
    hang_sources(leads, explained.sources, explained.more_sources)
    return _sections(heading, gets, *([leads] if leads.below else []))


def pair_text(explained: PairExplanation) -> str:
    """Return whether two queues can get the same message, without a newline at the end."""
    one, other = explained.queues
    root = Branch(f"queues {one!r} and {other!r}{_where(explained.virtual_host)}")
    for found in explained.exchanges:
        root.hang(_together(found))
    if explained.possible:
        end = "✔ one message can reach both"
    elif explained.possible is None:
        end = "? whether one message can reach both cannot be told"
    elif explained.exchanges:
        end = "✘ no message with one routing key reaches both"
    else:
        end = "✘ no message with one routing key reaches both: no exchange leads to both"
    return "\n".join([*root.lines(), end])


def _together(found: Together) -> str:
    name = exchange_name(found.exchange, found.type, internal=found.internal)
    if found.example is not None:
        return f"✔ {name}: both get {example_text(found.example) or 'every message'}"
    if found.possible is None:
        return f"? {name}: leads to both, but perhaps never one message"
    return f"✘ {name}: leads to both, but never one message"


def _where(virtual_host: str) -> str:
    return "" if virtual_host == "/" else f" in virtual host {virtual_host!r}"


def _sections(*sections: Branch) -> str:
    return "\n\n".join("\n".join(section.lines()) for section in sections)
