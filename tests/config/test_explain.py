"""Explanations of queues, exchanges and pairs of queues, as people read them."""
# ruff: noqa: E501 # lines are as long as they are printed

from __future__ import annotations

import json
from typing import Any

import pytest

from leveret import Broker, ManualClock
from leveret.config import (
    AmbiguousNameError,
    ExchangeExplanation,
    QueueExplanation,
    Topology,
    UnknownNameError,
    loads,
)

SHOP = """\
exchanges:
  shop: topic
  orders: {type: topic, alternate: unrouted}
  unrouted: fanout
  images: headers
  audit: fanout
  ledgers: x-consistent-hash
  inside: {type: fanout, internal: true}
queues:
  billing: {ttl: 1h, max_length: 10_000, dead_letter: {exchange: dead, routing_key: billing}}
  shipping: {type: quorum, ttl: 1h, dead_letter: true}
  everything: {}
  thumbnails: {overflow: reject-publish, max_bytes: 10MiB}
  unrouted: {expires: 30m}
  ledger-a: {auto_delete: true}
  ledger-b: {durable: false, exclusive: true}
bindings:
  - shop[order.#] -> exchange orders
  - orders[order.created.#, order.*.paid, order.eu.paid] -> billing
  - orders[order.*.packed] -> shipping
  - "orders[#.vip] -> exchange audit"
  - audit -> everything
  - {source: images, destination: thumbnails, match: {x-match: all, format: png, width: null}}
  - unrouted -> unrouted
  - shop[order.1.paid] -> exchange ledgers
  - ledgers["1"] -> ledger-a
  - ledgers["2"] -> ledger-b
policies:
  forget: {pattern: ^everything$, definition: {message-ttl: 60000, dead-letter-exchange: unrouted}}
operator_policies:
  cap: {pattern: ^shipping$, definition: {message-ttl: 1800000}}
""".replace("  ledgers:", "  dead: direct\n  ledgers:")

LADDER = """\
exchanges: {work: direct, retry: direct}
queues:
  jobs: {dead_letter: {exchange: retry, routing_key: 1m}}
  jobs.1m: {ttl: 1m, dead_letter: {exchange: retry, routing_key: 1h}}
  jobs.1h: {ttl: 1h, dead_letter: {exchange: "", routing_key: jobs.dead}}
  jobs.dead: {max_length: 1000}
bindings:
  - work[job] -> jobs
  - retry[1m] -> jobs.1m
  - retry[1h] -> jobs.1h
"""

CIRCLE = """\
exchanges: {retry: fanout}
queues:
  work: {dead_letter: {exchange: retry}}
  wait: {ttl: 5m, dead_letter: {exchange: "", routing_key: work}}
  a: {ttl: 1s, dead_letter: {exchange: "", routing_key: b}}
  b: {ttl: 2s, dead_letter: {exchange: "", routing_key: a}}
  alone: {ttl: 0, dead_letter: {exchange: "", routing_key: alone}}
bindings: [retry -> wait]
"""

KEPT = """\
exchanges: {events: topic, dead: topic}
queues:
  mail: {ttl: 30s, dead_letter: {exchange: dead}}
  eu: {}
  late: {ttl: 10m, max_length: 5, overflow: reject-publish-dlx, dead_letter: {exchange: ""}}
  held:
    type: quorum
    max_length: 5
    overflow: reject-publish
    dead_letter: {exchange: dead, strategy: at-least-once}
bindings:
  - "events[mail.#, #.urgent] -> mail"
  - dead[*.eu.#] -> eu
  - dead[*.us.#] -> late
  - events[x.y] -> held
"""

CASES: dict[str, tuple[str, str, str, str]] = {}


def case(name: str, topology: str, subject: str, kind: str, text: str) -> None:
    CASES[name] = (topology, subject, kind, text)


# fmt: off
# ruff: noqa: E501 # the lines are as long as they are printed
case("a queue with a DLX, a bound exchange before it", SHOP, "billing", "queue", """
queue 'billing' (classic)

what reaches it
├─ ✔ exchange 'orders' (topic) by 'order.created.#', 'order.*.paid' or 'order.eu.paid', such as 'order.created'
│  └─ ✔ exchange 'shop' (topic) by 'order.#': of these 'order.created.#' or 'order.*.paid'
└─ ✔ the default exchange, key 'billing'

what becomes of it
├─ ✔ consumed and acknowledged
└─ ✘ expired after 1h, rejected or over 10,000 messages
   └─ ─▶ exchange 'dead' (direct) with key 'billing'
      └─ ✘ no binding takes it: lost
""")
case("a policy brings TTL and dead letters", SHOP, "everything", "queue", """
queue 'everything' (classic, policy 'forget')

what reaches it
├─ ✔ exchange 'audit' (fanout): every message
│  └─ ✔ exchange 'orders' (topic) by '#.vip', such as 'vip'
│     └─ ✔ exchange 'shop' (topic) by 'order.#': of these 'order.#.vip', such as 'order.vip'
└─ ✔ the default exchange, key 'everything'

what becomes of it
├─ ✔ consumed and acknowledged
└─ ✘ expired after 1m or rejected
   └─ ─▶ exchange 'unrouted' (fanout) ─▶ queue 'unrouted' after 1m: stays there until consumed
""")
case("an operator policy caps the TTL", SHOP, "shipping", "queue", """
queue 'shipping' (quorum, operator policy 'cap')

what reaches it
├─ ✔ exchange 'orders' (topic) by 'order.*.packed', such as 'order.x.packed'
│  └─ ✔ exchange 'shop' (topic) by 'order.#': of these 'order.*.packed'
└─ ✔ the default exchange, key 'shipping'

what becomes of it
├─ ✔ consumed and acknowledged
└─ ✘ expired after 30m, rejected or returned more than 20 times
   └─ ─▶ exchange 'shipping.dlx' (fanout) ─▶ queue 'shipping.dlq' after 30m: stays there until consumed
""")
case("an alternate and dead letters of another", SHOP, "unrouted", "queue", """
queue 'unrouted' (classic)

what reaches it
├─ ✔ exchange 'unrouted' (fanout): every message
│  ├─ ↪ exchange 'orders' (topic), as its alternate: what no binding takes, such as 'order.x'
│  │  └─ ✔ exchange 'shop' (topic) by 'order.#'
│  └─ ↪ dead letters of queue 'everything' with their own keys: expired after 1m or rejected
│     └─ ✔ exchange 'audit' (fanout): every message
│        └─ ✔ exchange 'orders' (topic) by '#.vip', such as 'vip'
│           └─ ✔ exchange 'shop' (topic) by 'order.#': of these 'order.#.vip', such as 'order.vip'
└─ ✔ the default exchange, key 'unrouted'

what becomes of it
├─ ✔ consumed and acknowledged
├─ ✘ rejected: discarded, since there is no dead_letter
├─ … else it stays until consumed: it has no ttl and no limit
└─ ✘ unused for 30m: the queue goes, and what is in it is lost without dead-lettering
""")
case("headers and a limit in bytes", SHOP, "thumbnails", "queue", """
queue 'thumbnails' (classic)

what reaches it
├─ ✔ exchange 'images' (headers) by all of format='png', width, such as format='png', width='x'
└─ ✔ the default exchange, key 'thumbnails'

what becomes of it
├─ ✔ consumed and acknowledged
├─ ✘ rejected: discarded, since there is no dead_letter
├─ ✘ new over 10MiB: refused, with basic.nack for who waits for confirms
└─ … else it stays until consumed: it has no ttl
""")
case("a share by hash", SHOP, "ledger-a", "queue", """
queue 'ledger-a' (classic, auto-delete)

what reaches it
├─ ? exchange 'ledgers' (x-consistent-hash) by weight 1: its share of the messages
│  └─ ✔ exchange 'shop' (topic) by 'order.1.paid'
└─ ✔ the default exchange, key 'ledger-a'

what becomes of it
├─ ✔ consumed and acknowledged
├─ ✘ rejected: discarded, since there is no dead_letter
├─ … else it stays until consumed: it has no ttl and no limit
└─ ✘ its last consumer gone: the queue goes, and what is in it is lost without dead-lettering
""")
case("an exclusive queue", SHOP, "ledger-b", "queue", """
queue 'ledger-b' (classic, transient, exclusive)

what reaches it
├─ ? exchange 'ledgers' (x-consistent-hash) by weight 2: its share of the messages
│  └─ ✔ exchange 'shop' (topic) by 'order.1.paid'
└─ ✔ the default exchange, key 'ledger-b'

what becomes of it
├─ ✔ consumed and acknowledged
├─ ✘ rejected: discarded, since there is no dead_letter
├─ … else it stays until consumed: it has no ttl and no limit
└─ ✘ its connection closed: the queue goes, and what is in it is lost without dead-lettering
""")
case("an exchange with an alternate", SHOP, "orders", "exchange", """
exchange 'orders' (topic)

who gets what
├─ ✔ 'order.created.#', 'order.*.paid' or 'order.eu.paid' ─▶ queue 'billing'
│  └─ … 'order.eu.paid' is needless: 'order.*.paid' takes all of it
├─ ✔ 'order.*.packed' ─▶ queue 'shipping'
├─ ✔ '#.vip' ─▶ exchange 'audit' (fanout)
│  └─ ✔ ─▶ queue 'everything'
└─ ↪ what no binding takes, such as 'order.x', ─▶ alternate exchange 'unrouted' (fanout)
   └─ ✔ ─▶ queue 'unrouted'

what leads to it
└─ ✔ exchange 'shop' (topic) by 'order.#'
""")
case("an exchange before others", SHOP, "shop", "exchange", """
exchange 'shop' (topic)

who gets what
├─ ✔ 'order.#' ─▶ exchange 'orders' (topic)
│  ├─ ✔ 'order.created.#', 'order.*.paid' or 'order.eu.paid' ─▶ queue 'billing'
│  ├─ ✔ 'order.*.packed' ─▶ queue 'shipping'
│  ├─ ✔ '#.vip' ─▶ exchange 'audit' (fanout)
│  │  └─ ✔ ─▶ queue 'everything'
│  └─ ↪ what no binding takes, such as 'order.x', ─▶ alternate exchange 'unrouted' (fanout)
│     └─ ✔ ─▶ queue 'unrouted'
├─ ✔ 'order.1.paid' ─▶ exchange 'ledgers' (x-consistent-hash)
│  ├─ ? weight 1 (its share) ─▶ queue 'ledger-a'
│  └─ ? weight 2 (its share) ─▶ queue 'ledger-b'
└─ ✘ what no binding takes, such as 'x': returned if published as mandatory, dropped otherwise
""")
case("an internal exchange", SHOP, "inside", "exchange", """
exchange 'inside' (fanout, internal)

who gets what
└─ ✘ every message, since nothing is bound to it: lost

what leads to it
└─ ✘ no publisher: it is internal
""")
case("a direct exchange that nothing is bound to", SHOP, "dead", "exchange", """
exchange 'dead' (direct)

who gets what
└─ ✘ every message, since nothing is bound to it: returned if published as mandatory, dropped otherwise

what leads to it
└─ ↪ dead letters of queue 'billing' with key 'billing': expired after 1h, rejected or over 10,000 messages
   └─ ✔ exchange 'orders' (topic) by 'order.created.#', 'order.*.paid' or 'order.eu.paid', such as 'order.created'
      └─ ✔ exchange 'shop' (topic) by 'order.#': of these 'order.created.#' or 'order.*.paid'
""")
case("a headers exchange", SHOP, "images", "exchange", """
exchange 'images' (headers)

who gets what
├─ ✔ all of format='png', width ─▶ queue 'thumbnails'
└─ ✘ what no binding takes: returned if published as mandatory, dropped otherwise
""")
case("the default exchange", SHOP, "", "exchange", """
the default exchange

who gets what
├─ ✔ each queue, by its name as the routing key
└─ ✘ any other key: returned if published as mandatory, dropped otherwise
""")
case("the first of a ladder", LADDER, "jobs", "queue", """
queue 'jobs' (classic)

what reaches it
├─ ✔ exchange 'work' (direct) by 'job'
└─ ✔ the default exchange, key 'jobs'

what becomes of it
├─ ✔ consumed and acknowledged
├─ ✘ rejected
│  └─ ─▶ exchange 'retry' (direct) with key '1m' ─▶ queue 'jobs.1m'
│     └─ ✘ expired after 1m or rejected
│        └─ ─▶ exchange 'retry' (direct) with key '1h' ─▶ queue 'jobs.1h' after 1m
│           └─ ✘ expired 1h later (after 1m + 1h) or rejected
│              └─ ─▶ the default exchange with key 'jobs.dead' ─▶ queue 'jobs.dead' after 1m + 1h: stays there until consumed, or pushed out over 1,000 messages
└─ … else it stays until consumed: it has no ttl and no limit
""")
case("the last of a ladder", LADDER, "jobs.dead", "queue", """
queue 'jobs.dead' (classic)

what reaches it
├─ ↪ dead letters of queue 'jobs.1h' by the default exchange with key 'jobs.dead': expired after 1h or rejected
│  └─ ✔ exchange 'retry' (direct) by '1h'
│     └─ ↪ dead letters of queue 'jobs.1m' with key '1h': expired after 1m or rejected
│        └─ ✔ exchange 'retry' (direct) by '1m'
│           └─ ↪ dead letters of queue 'jobs' with key '1m': rejected
│              └─ ✔ exchange 'work' (direct) by 'job'
└─ ✔ the default exchange, key 'jobs.dead'

what becomes of it
├─ ✔ consumed and acknowledged
├─ ✘ rejected or over 1,000 messages: discarded, since there is no dead_letter
└─ … else it stays until consumed: it has no ttl
""")
case("a retry", CIRCLE, "work", "queue", """
queue 'work' (classic)

what reaches it
├─ ↪ dead letters of queue 'wait' by the default exchange with key 'work': expired after 5m or rejected
│  └─ ✔ exchange 'retry' (fanout): every message
│     └─ ↪ dead letters of queue 'work' with their own keys: rejected: a circle
└─ ✔ the default exchange, key 'work'

what becomes of it
├─ ✔ consumed and acknowledged
├─ ✘ rejected
│  └─ ─▶ exchange 'retry' (fanout) ─▶ queue 'wait'
│     └─ ✘ expired after 5m or rejected
│        └─ ─▶ the default exchange with key 'work' ─▶ queue 'work' again after 5m: a circle
└─ … else it stays until consumed: it has no ttl and no limit
""")
case("a circle by itself", CIRCLE, "a", "queue", """
queue 'a' (classic)

what reaches it
├─ ↪ dead letters of queue 'b' by the default exchange with key 'a': expired after 2s or rejected
│  └─ ↪ dead letters of queue 'a' by the default exchange with key 'b': expired after 1s or rejected: a circle
└─ ✔ the default exchange, key 'a'

what becomes of it
├─ ✔ consumed and acknowledged
└─ ✘ expired after 1s or rejected
   └─ ─▶ the default exchange with key 'b' ─▶ queue 'b' after 1s
      └─ ✘ expired 2s later (after 1s + 2s) or rejected
         └─ ─▶ the default exchange with key 'a' ─▶ queue 'a' again after 1s + 2s: a circle
            └─ ✘ unless rejected on the way: RabbitMQ drops it here
""")
case("a queue that leads to itself", CIRCLE, "alone", "queue", """
queue 'alone' (classic)

what reaches it
├─ ↪ dead letters of queue 'alone' by the default exchange with key 'alone': expired at once (unless a consumer waits) or rejected: a circle
└─ ✔ the default exchange, key 'alone'

what becomes of it
├─ ✔ consumed and acknowledged
└─ ✘ expired at once (unless a consumer waits) or rejected
   └─ ─▶ the default exchange with key 'alone' ─▶ queue 'alone' again: a circle
      └─ ✘ unless rejected on the way: RabbitMQ drops it here
""")
case("dead letters with their own keys", KEPT, "mail", "queue", """
queue 'mail' (classic)

what reaches it
├─ ✔ exchange 'events' (topic) by 'mail.#' or '#.urgent', such as 'mail'
└─ ✔ the default exchange, key 'mail'

what becomes of it
├─ ✔ consumed and acknowledged
└─ ✘ expired after 30s or rejected
   └─ ─▶ exchange 'dead' (topic)
      ├─ ✔ '*.eu.#' ─▶ queue 'eu' after 30s: stays there until consumed
      ├─ ✔ '*.us.#' ─▶ queue 'late' after 30s
      │  └─ ✘ expired 10m later (after 30s + 10m), rejected or new over 5 messages
      │     └─ ─▶ the default exchange
      │        └─ ✘ with a key that is no queue's name: lost, unless by another key in CC
      └─ ✘ what no binding takes, such as 'mail': lost, unless by another key in CC
""")
case("dead letters that wait for a queue", KEPT, "held", "queue", """
queue 'held' (quorum)

what reaches it
├─ ✔ exchange 'events' (topic) by 'x.y'
└─ ✔ the default exchange, key 'held'

what becomes of it
├─ ✔ consumed and acknowledged
├─ ✘ rejected or returned more than 20 times
│  └─ ─▶ exchange 'dead' (topic)
│     └─ ✘ no binding takes it: waits in queue 'held' until a queue takes it
├─ ✘ new over 5 messages: refused, with basic.nack for who waits for confirms
└─ … else it stays until consumed: it has no ttl
""")
# fmt: on


@pytest.mark.parametrize("name", CASES)
def test_an_explanation_reads_like_this(name: str) -> None:
    text, subject, kind, wanted = CASES[name]
    topology = loads(text)
    assert str(_explain(topology, subject, kind)) == wanted.strip("\n")


def _explain(topology: Topology, name: str, kind: str) -> QueueExplanation | ExchangeExplanation:
    if kind == "queue":
        return topology.explain(name, kind="queue")
    return topology.explain(name, kind="exchange")


def test_an_explanation_is_a_value_that_programs_read() -> None:
    explained = loads(LADDER).explain("jobs.1m", kind="queue")
    assert explained.fate.leaves_after_ms == (60_000,)
    [onward] = explained.fate.onward
    assert (onward.name, onward.fate and onward.fate.waited_ms) == ("jobs.1h", (60_000,))
    found = json.loads(explained.to_json())
    assert found == explained.to_dict()
    assert found["fate"]["deaths"] == [
        {"reason": "expired", "after_ms": 60_000},
        {"reason": "rejected"},
    ]
    assert [source["exchange"] for source in found["sources"]] == ["retry", ""]
    assert found["sources"][0]["sources"][0]["dead_letters_of"] == "jobs"


@pytest.mark.parametrize(
    ("topology", "queue"), [(LADDER, "jobs.1m"), (CIRCLE, "a"), (CIRCLE, "wait"), (SHOP, "billing")]
)
def test_messages_are_where_and_when_it_is_said(topology: str, queue: str) -> None:
    """S110, S111: told times and circles are those of the broker, whose clock is moved."""
    loaded = loads(topology.replace("dead: direct", "dead: fanout"))
    broker = Broker.from_topology(loaded, clock=ManualClock())
    broker.basic_publish("", queue, b"")
    fate = loaded.explain(queue, kind="queue").fate
    while fate.leaves_after_ms is not None:
        assert broker.virtual_hosts["/"].queues[fate.queue].ready_count == 1
        broker.clock.advance(seconds=fate.leaves_after_ms[-1] / 1000)  # type: ignore[attr-defined]
        assert broker.virtual_hosts["/"].queues[fate.queue].ready_count == 0
        if not fate.onward:
            return
        following = fate.onward[0].fate
        assert following is not None
        if following.again:
            assert broker.virtual_hosts["/"].queues[following.queue].ready_count == (
                0 if following.ends else 1
            )
            return
        fate = following
    assert broker.virtual_hosts["/"].queues[fate.queue].ready_count == 1


@pytest.mark.parametrize(
    ("name", "options", "message", "remedy"),
    [
        ("biling", {}, "no queue or exchange 'biling' in virtual host '/'", "Did you mean 'billing'?"),
        ("orders", {"kind": "queue"}, "no queue 'orders' in virtual host '/'", "An exchange is called 'orders'."),
        ("billing", {"kind": "exchange"}, "no exchange 'billing' in virtual host '/'", "A queue is called 'billing'."),
        ("billing", {"virtual_host": "x"}, "no virtual host 'x'", "There are '/' and 'tenant'."),
        ("q", {}, "no queue or exchange 'q' in virtual host '/'", "Virtual host 'tenant' has it."),
    ],
)  # fmt: skip
def test_an_unknown_name_is_an_error_that_helps(
    name: str, options: dict[str, Any], message: str, remedy: str
) -> None:
    topology = loads(SHOP + "virtual_hosts: {tenant: {queues: [q]}}\n")
    with pytest.raises(UnknownNameError) as caught:
        topology.explain(name, **options)
    assert (str(caught.value), caught.value.remedy) == (message, remedy)


def test_a_name_that_two_have_is_told_apart_by_its_kind() -> None:
    topology = loads(SHOP)
    with pytest.raises(AmbiguousNameError, match="both a queue and an exchange are called"):
        topology.explain("unrouted")
    assert topology.explain("unrouted", kind="queue").queue == "unrouted"
    assert topology.explain("unrouted", kind="exchange").exchange == "unrouted"


@pytest.mark.parametrize(
    ("queues", "wanted"),
    [
        (
            ("billing", "shipping"),
            """\
queues 'billing' and 'shipping'
├─ ✔ exchange 'orders' (topic): both get 'order.created.packed'
└─ ✔ exchange 'shop' (topic): both get 'order.created.packed'
✔ one message can reach both""",
        ),
        (
            ("ledger-a", "ledger-b"),
            """\
queues 'ledger-a' and 'ledger-b'
├─ ? exchange 'ledgers' (x-consistent-hash): leads to both, but perhaps never one message
└─ ? exchange 'shop' (topic): leads to both, but perhaps never one message
? whether one message can reach both cannot be told""",
        ),
        (
            ("unrouted", "shipping"),
            """\
queues 'unrouted' and 'shipping'
├─ ✘ exchange 'orders' (topic): leads to both, but never one message
└─ ✘ exchange 'shop' (topic): leads to both, but never one message
✘ no message with one routing key reaches both""",
        ),
        (
            ("thumbnails", "shipping"),
            """\
queues 'thumbnails' and 'shipping'
✘ no message with one routing key reaches both: no exchange leads to both""",
        ),
    ],
    ids=str,
)
def test_whether_two_queues_can_get_one_message(queues: tuple[str, str], wanted: str) -> None:
    explained = loads(SHOP).explain_pair(*queues)
    assert str(explained) == wanted
    assert json.loads(explained.to_json())["possible"] == explained.possible


def test_headers_that_contradict_each_other_keep_two_queues_apart() -> None:
    topology = loads(
        "exchanges: {x: headers}\nqueues: [a, b, c]\nbindings:\n"
        "  - {source: x, destination: a, match: {format: png}}\n"
        "  - {source: x, destination: b, match: {format: gif}}\n"
        "  - {source: x, destination: c, match: {x-match: any, format: null, size: 1}}\n"
    )
    assert topology.explain_pair("a", "b").possible is False
    both = topology.explain_pair("a", "c")
    assert both.exchanges[0].example is not None
    assert both.exchanges[0].example.headers == {"format": "png"}


def test_the_profile_decides_the_delivery_limit() -> None:
    """S87."""
    text = "compatibility: '{}'\nqueues: {{q: {{type: quorum}}}}"
    assert len(loads(text.format("3.13")).explain("q", kind="queue").fate.deaths) == 1
    assert "returned more than 20 times" in str(loads(text.format("4.2")).explain("q"))


def test_many_branches_are_counted() -> None:
    queues = [f"q{n}" for n in range(30)]
    bindings = [f"x[{queue}] -> {queue}" for queue in queues]
    topology = loads(
        json.dumps({"exchanges": {"x": "direct"}, "queues": queues, "bindings": bindings})
    )
    explained = topology.explain("x")
    assert "\n├─ … and 10 more\n" in str(explained)
    assert len(explained.to_dict()["onward"]) == 30


def test_queues_that_many_ways_pass_through_are_drawn_once() -> None:
    """Delays added up in binary, as Celery does it: n queues make 2**n ways."""
    steps = 7
    exchanges: dict[str, Any] = {f"d{n}": "topic" for n in range(steps)} | {"end": "topic"}
    queues: dict[str, Any] = {
        f"d{n}": {"ttl": 1000 * 2**n, "dead_letter": {"exchange": f"d{n - 1}" if n else "end"}}
        for n in range(steps)
    } | {"work": {}}
    bindings = ['end["#.work"] -> work']
    for n in range(steps):
        stars = "*." * (steps - 1 - n)
        bindings += [f'd{n}["{stars}1.#"] -> d{n}']
        bindings += [f'd{n}["{stars}0.#"] -> exchange {f"d{n - 1}" if n else "end"}']
    text = json.dumps({"exchanges": exchanges, "queues": queues, "bindings": bindings})
    topology = loads(text)
    drawn = str(topology.explain("d6", kind="queue"))
    assert "queue 'work' after 127s: stays there until consumed" in drawn
    assert "queue 'd5' after 64s\n" in drawn
    assert "and on as above" in drawn
    assert len(drawn.splitlines()) < 70
