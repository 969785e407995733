"""Random conversations, drawn whole: a topology first, then steps that use and abuse it.

Each conversation has a plan: how each queue and exchange is declared. Its first steps declare them;
later ones publish, consume, acknowledge, redeclare, delete. Most steps succeed, so that there is
something to compare: an error closes its channel.

A step is made from a seed of its own. Hypothesis draws the seeds; drawing every value one by one
makes it vary few of them, and a conversation becomes deep only when all of them vary.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, TypeAlias

from judge.plans import Plan, exchange_declaration, make_plan, one_in, queue_declaration
from judge.steps import CHANNELS, Step
from judge.vocabulary import (
    BAD_PROPERTIES,
    BAD_QUEUE_ARGUMENTS,
    EXCHANGE_TYPES,
    EXCHANGES,
    HEADER_VALUES,
    KEYS,
    PATTERNS,
    QUEUES,
    SOME_EXCHANGE,
    SOME_QUEUE,
    SYSTEM_EXCHANGES,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["conversation"]

#: What to call, and with what.
Call: TypeAlias = tuple[str, dict[str, Any]]


def conversation(seeds: Sequence[int], steps: int = 60, *, quorum: bool = False) -> list[Step]:
    """Make a conversation of `steps` steps, or as many as the seeds are good for.

    The first seed makes the plan, each other one a step or a few of a kind. With `quorum`, the
    queue that is used most is a quorum queue.
    """
    chance = Random(seeds[0])
    plan = make_plan(chance, quorum=quorum)
    calls = [("exchange_declare", {"exchange": n, **d}) for n, d in plan.exchanges.items()]
    calls += [("queue_declare", {"queue": n, **d}) for n, d in plan.queues.items()]
    calls += [_bind(chance, plan)[0] for _ in range(chance.randint(4, 10))]
    made = [Step("a1", *call) for call in calls]
    if not one_in(chance, 5):
        # Without a limit, the first consumer takes all that comes.
        made += [Step(c, *_one_of("basic_qos", *_PREFETCH)(chance, plan)[0]) for c in CHANNELS]
    for seed in seeds[1:]:
        chance = Random(seed)
        channel = chance.choice(_CHANNELS)
        kind = chance.choices(_KINDS, _WEIGHTS)[0]
        made += [Step(channel, *call) for call in kind(chance, plan)]
    return _finished(made[:steps])


def _finished(steps: list[Step]) -> list[Step]:
    """Give messages numbers and consumers tags; put steps where they have something to do.

    What pika would refuse without asking is left out, and what RabbitMQ does now so, now otherwise,
    see NOT_COMPARED. Acknowledgements go to a channel that got something, most ends of transactions
    to one that began one.
    """
    result: list[Step] = []
    consumers: dict[str, list[str]] = {}  # channel -> tags, oldest first
    receiving: list[str] = []
    transactional: list[str] = []
    in_transaction: dict[str, str] = {}  # channel -> what it does in its open transaction
    consumed: set[str] | None = set() if any("global_qos" in s.arguments for s in steps) else None
    for number, step in enumerate(steps, 1):
        channel, arguments = step.channel, dict(step.arguments)
        if step.call == "basic_publish":
            arguments["body"] = f"m{number}{arguments['body']}"
        elif step.call == "basic_get":
            receiving.append(channel)
        elif step.call == "basic_consume":
            if consumed is not None:
                if arguments["queue"] in consumed:
                    continue
                consumed.add(arguments["queue"])
            receiving.append(channel)
            arguments["consumer_tag"] = f"c{number}"
            consumers.setdefault(channel, []).append(f"c{number}")
        elif step.call == "basic_cancel":
            if not consumers.get(channel):
                continue
            arguments["consumer_tag"] = consumers[channel].pop(0)
        elif step.call in ("basic_ack", "basic_nack", "basic_reject", "basic_recover"):
            if channel not in receiving and receiving:
                channel = receiving[number % len(receiving)]
        elif step.call == "tx_select":
            transactional.append(channel)
        elif step.call in ("tx_commit", "tx_rollback") and channel not in transactional:
            if transactional:
                channel = transactional[number % len(transactional)]
            elif number % 8:
                continue
        doing = _DOING.get(step.call)
        if doing == "ending":
            in_transaction.pop(channel, None)
        elif (
            doing
            and channel in transactional
            and in_transaction.setdefault(channel, doing) != doing
        ):
            continue
        result.append(Step(channel, step.call, arguments))
    return result


#: Method -> what it does in a transaction.
_DOING = {
    "basic_publish": "publishing",
    "basic_ack": "acknowledging",
    "basic_nack": "acknowledging",
    "basic_reject": "acknowledging",
    "tx_commit": "ending",
    "tx_rollback": "ending",
}


# -- topology


def _declare_queue(chance: Random, plan: Plan) -> list[Call]:
    name = chance.choice(QUEUES)
    return [("queue_declare", {"queue": name, **plan.queues[name]})]


def _redeclare_queue(chance: Random, plan: Plan) -> list[Call]:
    """Declare a queue as it is, otherwise, or wrongly."""
    name = chance.choice(QUEUES)
    planned = plan.queues[name]
    flag = chance.choice(["durable", "exclusive", "auto_delete"])
    declarations: list[dict[str, Any]] = [
        {"queue": name, **planned},
        {"queue": name, "passive": True},
        {"queue": "q9", "passive": True},
        {"queue": name, **queue_declaration(chance, expirations=plan.expirations)},
        {"queue": name, **planned, flag: not planned.get(flag, False)},
        {"queue": name, "arguments": chance.choice(BAD_QUEUE_ARGUMENTS)},
        {"queue": "q9", "arguments": chance.choice(BAD_QUEUE_ARGUMENTS)},
        {"queue": "", "exclusive": True},
        {"queue": chance.choice(["amq.q", "amq.gen-mine"])},
    ]
    return [("queue_declare", chance.choice(declarations))]


def _declare_exchange(chance: Random, plan: Plan) -> list[Call]:
    name = chance.choice(EXCHANGES)
    return [("exchange_declare", {"exchange": name, **plan.exchanges[name]})]


def _redeclare_exchange(chance: Random, plan: Plan) -> list[Call]:
    """Declare an exchange as it is, otherwise, or wrongly."""
    name = chance.choice(EXCHANGES)
    planned = plan.exchanges[name]
    flag = chance.choice(["durable", "internal", "auto_delete"])
    declarations: list[dict[str, Any]] = [
        {"exchange": name, "passive": True},
        {"exchange": "x9", "passive": True},
        {"exchange": name, **exchange_declaration(chance, chance.choice(EXCHANGE_TYPES))},
        {"exchange": name, **planned, flag: not planned.get(flag, False)},
        {
            "exchange": chance.choice(SYSTEM_EXCHANGES),
            "exchange_type": chance.choice(["direct", "topic"]),
            "durable": True,
        },
        {"exchange": ""},
        {"exchange": "amq.mine"},
        {"exchange": name, "exchange_type": chance.choice(["bogus", ""])},
        {"exchange": name, "arguments": {"alternate-exchange": 1}},
    ]
    return [("exchange_declare", chance.choice(declarations))]


def _headers(chance: Random) -> dict[str, Any]:
    names = chance.sample(["h", "i", "x-h"], chance.randint(0, 2))
    return {name: chance.choice(HEADER_VALUES) for name in names}


def _match(chance: Random) -> dict[str, Any]:
    modes = ["all", "any", "all-with-x", "any-with-x"]
    mode = {} if one_in(chance, 3) else {"x-match": chance.choice(modes)}
    return {**_headers(chance), **mode}


def _bind(chance: Random, plan: Plan) -> list[Call]:
    source = chance.choice(SOME_EXCHANGE)
    if one_in(chance, 40):
        source = chance.choice(["", "x9"])
    arguments: dict[str, Any] = {}
    if one_in(chance, 4):
        call = "exchange_bind"
        arguments = {"destination": chance.choice(EXCHANGES), "source": source}
    else:
        call, arguments = "queue_bind", {"queue": chance.choice(SOME_QUEUE), "exchange": source}
    arguments["routing_key"] = chance.choice(chance.choice([PATTERNS, KEYS]))
    if source in ("x4", "amq.headers") or one_in(chance, 8):
        arguments["arguments"] = _match(chance)
    if one_in(chance, 30):
        arguments["arguments"] = {"x-match": chance.choice(["bad", 5, b"all"])}
    return [(call, arguments)]


def _unbind(chance: Random, plan: Plan) -> list[Call]:
    [(call, arguments)] = _bind(chance, plan)
    return [(call.replace("bind", "unbind"), arguments)]


def _delete_queue(chance: Random, plan: Plan) -> list[Call]:
    flags: dict[str, Any] = chance.choice([{}, {"if_unused": True}, {"if_empty": True}])
    return [("queue_delete", {"queue": chance.choice(SOME_QUEUE), **flags})]


def _delete_exchange(chance: Random, plan: Plan) -> list[Call]:
    name = chance.choice([*EXCHANGES * 2, "x9", "amq.topic", "amq.mine", ""])
    flags = {"if_unused": True} if one_in(chance, 2) else {}
    return [("exchange_delete", {"exchange": name, **flags})]


def _purge(chance: Random, plan: Plan) -> list[Call]:
    return [("queue_purge", {"queue": chance.choice(SOME_QUEUE)})]


# -- messages


def _publish(chance: Random, plan: Plan) -> list[Call]:
    """Publish one message, or a few to the same place."""
    if one_in(chance, 2):
        where = {"exchange": "", "routing_key": chance.choice(["q1", "q1", *QUEUES])}
    else:
        where = {"exchange": chance.choice(SOME_EXCHANGE), "routing_key": chance.choice(KEYS)}
    if one_in(chance, 60):
        where["exchange"] = "x9"
    return [
        ("basic_publish", {**where, **_message(chance, plan)})
        for _ in range(chance.choice([1, 1, 2, 3, 4]))
    ]


def _message(chance: Random, plan: Plan) -> dict[str, Any]:
    message: dict[str, Any] = {"body": "-and-more" if one_in(chance, 4) else ""}
    if one_in(chance, 4):
        message["mandatory"] = True
    properties = _properties(chance, plan)
    if one_in(chance, 60):
        properties = chance.choice(BAD_PROPERTIES)
    return message | ({"properties": properties} if properties else {})


def _properties(chance: Random, plan: Plan) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    if one_in(chance, 3):
        properties["headers"] = _headers(chance)
    if one_in(chance, 6):
        keys = chance.sample([*QUEUES, "a", "a.b"], chance.randint(0, 3))
        copies = {chance.choice(["CC", "BCC"]): keys}
        properties["headers"] = properties.get("headers", {}) | copies
    if not plan.expirations and one_in(chance, 2):
        properties["priority"] = chance.randint(0, 6)
    if plan.expirations and one_in(chance, 4):
        properties["expiration"] = chance.choice(["0", "60000"])
    if one_in(chance, 3):
        properties["delivery_mode"] = chance.randint(1, 2)
    if one_in(chance, 10):
        properties |= _OTHER_PROPERTIES
    return properties


_OTHER_PROPERTIES: dict[str, Any] = {
    "content_type": "text/plain",
    "content_encoding": "utf-8",
    "correlation_id": "c",
    "reply_to": "r",
    "message_id": "m",
    "timestamp": 1,
    "type": "t",
    "user_id": "guest",
    "app_id": "",
    "cluster_id": "k",
}


def _get(chance: Random, plan: Plan) -> list[Call]:
    arguments: dict[str, Any] = {"queue": chance.choice(SOME_QUEUE)}
    if one_in(chance, 4):
        arguments["auto_ack"] = True
    return [("basic_get", arguments)] * chance.choice([1, 1, 2, 3])


def _consume(chance: Random, plan: Plan) -> list[Call]:
    arguments: dict[str, Any] = {"queue": chance.choice(SOME_QUEUE), "consumer_tag": "?"}
    if one_in(chance, 10):
        arguments["auto_ack"] = True
    if one_in(chance, 15):
        arguments["exclusive"] = True
    if one_in(chance, 4):
        arguments["arguments"] = {"x-priority": chance.choice([-4, -1, 1, 2, 2, 5, 5, "x"])}
    return [("basic_consume", arguments)]


def _acknowledge(chance: Random, plan: Plan) -> list[Call]:
    call = chance.choice(["basic_ack", "basic_nack", "basic_nack", "basic_reject"])
    arguments: dict[str, Any] = {"nth": chance.randint(0, 3)}
    if call != "basic_reject" and one_in(chance, 3):
        arguments["multiple"] = True
    if call != "basic_ack":
        arguments["requeue"] = one_in(chance, 2)
    if one_in(chance, 40):
        del arguments["nth"]
        arguments |= chance.choice([{"used": 0}, {"delivery_tag": 0}, {"delivery_tag": 99}])
    return [(call, arguments)]


def _one_of(call: str, *choices: dict[str, Any]) -> Callable[[Random, Plan], list[Call]]:
    """Return what makes a call with one of these arguments."""
    return lambda chance, plan: [(call, chance.choice(choices or ({},)))]


_PREFETCH: tuple[dict[str, Any], ...] = (
    {"prefetch_count": 1},
    {"prefetch_count": 2},
    {"prefetch_count": 3},
    {"prefetch_count": 3, "global_qos": True},
)
_qos = _one_of(
    "basic_qos",
    *_PREFETCH,
    {"prefetch_count": 0},
    {"prefetch_count": 0, "global_qos": True},
)

_CHANNELS = ("a1",) * 5 + ("a2",) * 2 + ("b1",) * 2 + ("b2",)

#: How often each kind of step comes up, in parts.
_PARTS: list[tuple[int, Callable[[Random, Plan], list[Call]]]] = [
    (28, _publish),
    (12, _get),
    (4, _consume),
    (20, _acknowledge),
    (3, _bind),
    (2, _unbind),
    (2, _declare_queue),
    (1, _redeclare_queue),
    (1, _declare_exchange),
    (1, _redeclare_exchange),
    (3, _qos),
    (2, _one_of("basic_cancel")),
    (1, _delete_queue),
    (1, _delete_exchange),
    (1, _purge),
    (2, _one_of("basic_recover", {"requeue": True})),
    (1, _one_of("tx_select")),
    (3, _one_of("tx_commit")),
    (2, _one_of("tx_rollback")),
    (1, _one_of("confirm_delivery")),
    (1, _one_of("close")),
    (1, _one_of("close_connection")),
]
_WEIGHTS = [weight for weight, _ in _PARTS]
_KINDS = [kind for _, kind in _PARTS]
