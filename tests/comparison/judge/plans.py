"""Plans of conversations: how each of their queues and exchanges is declared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from judge.vocabulary import EXCHANGE_TYPES, EXCHANGES, QUEUES

if TYPE_CHECKING:
    from random import Random

__all__ = ["Plan", "exchange_declaration", "make_plan", "one_in", "queue_declaration"]


@frozen
class Plan:
    """What a conversation is about.

    Priorities and expirations exclude one another, see NOT_COMPARED.
    """

    queues: dict[str, dict[str, Any]]  # name -> arguments of queue_declare
    exchanges: dict[str, dict[str, Any]]  # name -> arguments of exchange_declare
    expirations: bool


def one_in(chance: Random, number: int) -> bool:
    """Say yes once in so many times."""
    return chance.randrange(number) == 0


def make_plan(chance: Random, *, quorum: bool) -> Plan:
    """Make a plan; with `quorum`, q1 is a quorum queue."""
    expirations = one_in(chance, 2) and not quorum
    queues = {name: queue_declaration(chance, expirations=expirations) for name in QUEUES}
    if quorum:
        queues["q1"] = _quorum_queue(chance)
    return Plan(
        queues,
        {
            name: exchange_declaration(chance, kind)
            for name, kind in zip(EXCHANGES, EXCHANGE_TYPES, strict=True)
        },
        expirations,
    )


def queue_declaration(chance: Random, *, expirations: bool) -> dict[str, Any]:
    """Make the arguments of queue_declare for a classic queue."""
    declaration: dict[str, Any] = {}
    for flag, rarity in (("durable", 3), ("exclusive", 25), ("auto_delete", 10)):
        if one_in(chance, rarity):
            declaration[flag] = True
    arguments = _queue_arguments(chance, expirations)
    return declaration | ({"arguments": arguments} if arguments else {})


def _quorum_queue(chance: Random) -> dict[str, Any]:
    arguments: dict[str, Any] = {"x-queue-type": "quorum"}
    if one_in(chance, 2):
        arguments |= {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "q2"}
    if one_in(chance, 2):
        arguments["x-delivery-limit"] = chance.randint(0, 2)
    if one_in(chance, 4):
        arguments["x-max-length"] = chance.randint(0, 3)
    if one_in(chance, 5):
        arguments["x-single-active-consumer"] = True
    return {"durable": True, "arguments": arguments}


def _queue_arguments(chance: Random, expirations: bool) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    if one_in(chance, 2):
        exchange = chance.choice(["", "", "", *EXCHANGES, "x9", "amq.fanout"])
        arguments["x-dead-letter-exchange"] = exchange
        if not exchange or one_in(chance, 3):
            arguments["x-dead-letter-routing-key"] = chance.choice([*QUEUES, "a", "a.b"])
    if one_in(chance, 3):
        arguments["x-max-length"] = chance.choice([0, 1, 2, 2, 3, 3, 4])
    if one_in(chance, 6):
        arguments["x-max-length-bytes"] = chance.randint(0, 12)
    if {"x-max-length", "x-max-length-bytes"} & set(arguments) and one_in(chance, 2):
        overflow = chance.choice(["drop-head", "reject-publish", "reject-publish-dlx"])
        arguments["x-overflow"] = overflow
    if expirations and one_in(chance, 5):
        arguments["x-message-ttl"] = chance.choice([0, 60_000])
    if not expirations and one_in(chance, 3):
        arguments["x-max-priority"] = chance.randint(0, 4)
    if one_in(chance, 8):
        arguments["x-single-active-consumer"] = True
    if one_in(chance, 8):
        rare: list[dict[str, Any]] = [{"x-queue-type": "classic"}, {"x-queue-version": 1}]
        rare += [{"x-expires": 60_000}, {"x-unknown": 1}]
        rare += [] if expirations else [{"x-queue-mode": "lazy"}]
        arguments |= chance.choice(rare)
    return arguments


def exchange_declaration(chance: Random, kind: str) -> dict[str, Any]:
    """Make the arguments of exchange_declare for an exchange of some type."""
    declaration: dict[str, Any] = {"exchange_type": kind}
    for flag, rarity in (("durable", 4), ("auto_delete", 8), ("internal", 12)):
        if one_in(chance, rarity):
            declaration[flag] = True
    if one_in(chance, 3):
        target = chance.choice([*EXCHANGES, "x9", "amq.fanout"])
        declaration["arguments"] = {"alternate-exchange": target}
    return declaration
