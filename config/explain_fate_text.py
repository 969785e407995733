"""Draws where messages go: over the bindings of an exchange, and out of a queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from leveret.config.explain_source_text import (
    MOST_DRAWN,
    deaths_text,
    exchange_name,
    labels_text,
    limit_text,
    times_text,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leveret.config.explain_parts import Destination, Fate, Leftover
    from leveret.exchanges.tree import Branch

__all__ = ["destinations", "fate_lines", "leftover_text"]

#: Type and name of what was drawn -> all that was drawn below it. Dead letters that take many ways
#: through the same queues are drawn once; JSON has each with its times.
_Told: TypeAlias = "dict[tuple[str, str], set[tuple[str, str, bool]]]"


def fate_lines(branch: Branch, fate: Fate) -> None:
    """Draw what becomes of messages in the queue that is explained."""
    branch.hang("✔ consumed and acknowledged")
    _deaths(branch, fate, {})
    if fate.refuses:
        limit = limit_text(fate.max_length, fate.max_length_bytes)
        branch.hang(f"✘ new over {limit}: refused, with basic.nack for who waits for confirms")
    if fate.leaves_after_ms is None:
        unlimited = fate.max_length is None and fate.max_length_bytes is None
        why = ": it has no ttl and no limit" if unlimited else ": it has no ttl"
        branch.hang(f"… else it stays until consumed{why}")


def _deaths(branch: Branch, fate: Fate, told: _Told) -> None:
    """Draw what dies in a queue, and where it goes."""
    dies = f"✘ {deaths_text(fate.deaths, fate.waited_ms)}"
    exchange = fate.dead_letter_exchange
    if exchange is None:
        branch.hang(f"{dies}: discarded, since there is no dead_letter")
        return
    if not fate.exchange_exists:
        branch.hang(f"{dies}: lost, since exchange {exchange!r} does not exist")
        return
    key = fate.dead_letter_routing_key
    with_key = "" if key is None else f" with key {key!r}"
    text = f"─▶ {exchange_name(exchange, fate.dead_letter_exchange_type)}{with_key}"
    below = branch.hang(dies)
    if fate.cut:
        below.hang(f"{text}, and so on")
        return
    _onward(below, text, fate.onward, fate.more, fate.leftover, fate, told)


def _onward(
    branch: Branch,
    text: str,
    onward: Sequence[Destination],
    more: int,
    leftover: Leftover | None,
    fate: Fate,
    told: _Told,
) -> None:
    """Draw where dead letters go from an exchange: on one line as long as there is one way."""
    if len(onward) == 1 and not more and leftover is None and _is_plain(onward[0]):
        _dead_letter(branch, f"{text} ─▶ ", onward[0], fate, told)
        return
    below = branch.hang(text)
    for one in onward[:MOST_DRAWN]:
        _dead_letter(below, _way(one), one, fate, told)
    _hidden(below, len(onward), more)
    if leftover is not None:
        named = onward or not leftover.exchange
        what = leftover_text(leftover) if named else "no binding takes it"
        end = (
            f"waits in queue {fate.queue!r} until a queue takes it"
            if fate.at_least_once
            else _lost(fate, leftover)
        )
        below.hang(f"✘ {what}: {end}")


def _lost(fate: Fate, leftover: Leftover) -> str:
    """Say that dead letters are lost; those that keep their keys may have others, in CC."""
    has_other_keys = fate.dead_letter_routing_key is None and not leftover.keys.is_everything
    return "lost, unless by another key in CC" if has_other_keys else "lost"


def _is_plain(one: Destination) -> bool:
    """Say whether nothing needs saying of the way to a destination."""
    single = len(one.keys.keys) == 1 and not one.keys.patterns
    return not one.as_alternate and not one.chance and (single or not labels_text(one.labels))


def _dead_letter(branch: Branch, text: str, one: Destination, fate: Fate, told: _Told) -> None:
    text += _name(one)
    if one.type == "exchange":
        if one.seen or _is_told(one, told):
            branch.hang(f"{text}, as above")
        else:
            _onward(branch, text, one.onward, one.more, one.leftover, fate, told)
    elif one.fate is None:
        branch.hang(text)
    else:
        _arrival(branch, text, one, one.fate, told)


def _is_told(one: Destination, told: _Told) -> bool:
    """Say whether all that follows from a destination was drawn below it before; note it if not."""
    follows = _following(one)
    known = told.setdefault((one.type, one.name), set())
    if follows and follows <= known:
        return True
    known |= follows
    return False


def _following(one: Destination) -> set[tuple[str, str, bool]]:
    """Return all that messages come to beyond a destination, and whether that is a circle."""
    found: set[tuple[str, str, bool]] = set()
    work = [one]
    while work:
        at = work.pop()
        onward = at.onward if at.fate is None else at.fate.onward
        for following in onward:
            fate = following.fate
            found.add((following.type, following.name, fate is not None and fate.again))
            work.append(following)
    return found


def _arrival(branch: Branch, text: str, one: Destination, fate: Fate, told: _Told) -> None:
    """Draw dead letters coming to a queue, and what becomes of them there."""
    times = times_text(fate.waited_ms)
    after = f" after {times}" if times else ""
    if fate.again:
        circle = branch.hang(f"{text} again{after}: a circle")
        if fate.ends:
            circle.hang("✘ unless rejected on the way: RabbitMQ drops it here")
        return
    if fate.dead_letter_exchange is None and fate.leaves_after_ms is None:
        expires = any(death.after_ms is not None for death in fate.deaths)
        if not expires:
            branch.hang(f"{text}{after}: stays there until consumed{_pushed_out(fate)}")
            return
    if _is_told(one, told):
        branch.hang(f"{text}{after}, and on as above")
    else:
        _deaths(branch.hang(f"{text}{after}"), fate, told)


def _pushed_out(fate: Fate) -> str:
    limit = limit_text(fate.max_length, fate.max_length_bytes)
    if not limit or fate.refuses:
        return ""
    return f", or pushed out over {limit}"


def destinations(branch: Branch, onward: Sequence[Destination], more: int) -> None:
    """Draw whom an exchange leads to, below a branch; a stack, since chains may be long."""
    work: list[tuple[Branch, Sequence[Destination], int, Leftover | None]]
    work = [(branch, onward, more, None)]
    while work:
        at, found, uncounted, leftover = work.pop()
        for one in found[:MOST_DRAWN]:
            seen = ", as above" if one.seen else ""
            below = at.hang(f"{_way(one)}{_name(one)}{seen}")
            for key, by in one.covered[:MOST_DRAWN]:
                below.hang(f"… {key} is needless: {by} takes all of it")
            work.append((below, one.onward, one.more, one.leftover))
        _hidden(at, len(found), uncounted)
        if leftover is not None:
            what = leftover_text(leftover) if found else "no binding takes it"
            at.hang(f"✘ {what}: lost")


def _way(one: Destination) -> str:
    if one.as_alternate:
        such_as = "" if one.example is None else f", such as {one.example!r},"
        return f"↪ what no binding takes{such_as} ─▶ alternate "
    labels = labels_text(one.labels)
    label = f"{labels} " if labels else ""
    share = {"hash": "(its share) ", "random": "by chance "}.get(one.chance, "")
    mark = "?" if one.chance else "✔"
    return f"{mark} {label}{share}─▶ "


def _name(one: Destination) -> str:
    if one.type == "exchange":
        return exchange_name(one.name, one.exchange_type)
    return f"queue {one.name!r}"


def _hidden(branch: Branch, known: int, uncounted: int) -> None:
    if hidden := max(known - MOST_DRAWN, 0) + uncounted:
        branch.hang(f"… and {hidden:,} more")


def leftover_text(leftover: Leftover) -> str:
    """Say which messages nothing takes."""
    if not leftover.exchange:
        return "with a key that is no queue's name"
    such_as = "" if leftover.example is None else f", such as {leftover.example!r}"
    return f"what no binding takes{such_as}"
