"""What a route trace says, word by word, to people and to machines."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal

from leveret.exchanges import DefaultExchange, Exchange, ExchangeTypes, Router
from leveret.properties import FieldValue, Properties
from leveret.routing import Binding, DestinationType


class First:
    """Chance that always draws the first."""

    def randrange(self, stop: int, /) -> int:
        return 0


class Shop:
    """A topology to explain, with a sentence for each thing to add."""

    def __init__(self) -> None:
        self.types = ExchangeTypes()
        self.exchanges: dict[str, Exchange] = {"": DefaultExchange()}
        self.queues: dict[str, None] = {}

    def exchange(self, name: str, type_name: str, **arguments: FieldValue) -> None:
        renamed = {key.replace("_", "-"): value for key, value in arguments.items()}
        self.exchanges[name] = self.types.create(type_name, name, arguments=renamed)

    def bind(
        self, source: str, key: str, *queues: str, arguments: dict[str, FieldValue] | None = None
    ) -> None:
        for queue in queues:
            self.queues[queue] = None
            self.lead(source, key, queue, "queue", arguments)

    def lead(
        self,
        source: str,
        key: str,
        destination: str,
        to: DestinationType = "exchange",
        arguments: dict[str, FieldValue] | None = None,
    ) -> None:
        self.exchanges[source].bind(Binding(source, destination, key, to, arguments))

    def explain(
        self, exchange: str, key: str = "", headers: dict[str, FieldValue] | None = None
    ) -> str:
        router = Router(self.exchanges, self.queues, First())
        properties = None if headers is None else Properties(headers=headers)
        return "\n" + str(router.explain(exchange, key, properties)) + "\n"


def test_a_tree_shows_what_matched_what_did_not_and_the_first_word_that_differs() -> None:
    shop = Shop()
    shop.exchange("orders", "topic")
    shop.exchange("audit", "fanout")
    shop.bind("orders", "order.created.#", "billing")
    shop.bind("orders", "order.*.packed", "shipping")
    shop.lead("orders", "#", "audit")
    shop.bind("audit", "", "everything", "billing")
    shop.lead("audit", "", "orders")
    assert (
        shop.explain("orders", "order.created.eu")
        == """
exchange 'orders' (topic) ◀─ routing key 'order.created.eu'
├─ ✔ 'order.created.#' ─▶ queue 'billing'
├─ ✘ 'order.*.packed'  ─▶ queue 'shipping': word 3 is 'eu', the pattern wants 'packed'
└─ ✔ '#'               ─▶ exchange 'audit' (fanout)
   ├─ ✔ ─▶ queue 'everything'
   ├─ ✔ ─▶ queue 'billing', reached already
   └─ ✔ ─▶ exchange 'orders', visited already
✔ reaches 'billing', 'everything' (through 'audit')
"""
    )


def test_where_nothing_matched_the_nearest_miss_is_named() -> None:
    shop = Shop()
    shop.exchange("orders", "topic")
    shop.bind("orders", "invoice.#", "billing")
    shop.bind("orders", "order.created.*", "shipping")
    drawn = """
exchange 'orders' (topic) ◀─ routing key 'order.create.eu'
├─ ✘ 'invoice.#'       ─▶ queue 'billing': word 1 is 'order', the pattern wants 'invoice'
└─ ✘ 'order.created.*' ─▶ queue 'shipping': word 2 is 'create', the pattern wants 'created'  ◀ nearest miss
✘ reaches no queue: returned if published as mandatory, dropped otherwise
"""  # noqa: E501 (the line is what is drawn)
    assert shop.explain("orders", "order.create.eu") == drawn


def test_of_many_misses_only_the_nearest_are_drawn() -> None:
    shop = Shop()
    shop.exchange("keys", "direct")
    for number in range(100):
        shop.bind("keys", f"key.{number}", "all")
    shop.bind("keys", "key.99x", "one")
    assert (
        shop.explain("keys", "key.99x")
        == """
exchange 'keys' (direct) ◀─ routing key 'key.99x'
├─ ✔ 'key.99x' ─▶ queue 'one'
├─ ✘ 'key.99'  ─▶ queue 'all': the routing key is 'key.99x'
├─ ✘ 'key.9'   ─▶ queue 'all': the routing key is 'key.99x'
├─ ✘ 'key.90'  ─▶ queue 'all': the routing key is 'key.99x'
├─ ✘ 'key.91'  ─▶ queue 'all': the routing key is 'key.99x'
├─ ✘ 'key.92'  ─▶ queue 'all': the routing key is 'key.99x'
└─ … and 95 more that did not match
✔ reaches 'one'
"""
    )


def test_a_difference_that_is_easily_overlooked_is_pointed_out() -> None:
    shop = Shop()
    shop.exchange("keys", "direct")
    shop.bind("keys", "Order", "q")
    shop.bind("keys", "order ", "r")
    drawn = """
exchange 'keys' (direct) ◀─ routing key 'order'
├─ ✘ 'Order'  ─▶ queue 'q': the routing key is 'order' (only upper and lower case differ)  ◀ nearest miss
└─ ✘ 'order ' ─▶ queue 'r': the routing key is 'order' (only spaces around it differ)
✘ reaches no queue: returned if published as mandatory, dropped otherwise
"""  # noqa: E501 (the line is what is drawn)
    assert shop.explain("keys", "order") == drawn


def test_s37_the_alternate_exchange_hangs_where_nothing_matched() -> None:
    """S37."""
    shop = Shop()
    shop.exchange("images", "headers", alternate_exchange="unrouted")
    shop.exchange("unrouted", "fanout")
    shop.bind("images", "", "thumbs", arguments={"format": "png", "size": None})
    shop.bind("unrouted", "", "lost")
    assert (
        shop.explain("images", "", {"format": "gif"})
        == """
exchange 'images' (headers) ◀─ routing key '', headers format='gif'
├─ ✘ all of format='png', size ─▶ queue 'thumbs': header 'format' is 'gif', the binding wants 'png'
└─ ↪ nothing matched; alternate exchange 'unrouted' (fanout)
   └─ ✔ ─▶ queue 'lost'
✔ reaches 'lost' (through 'unrouted')
"""
    )


def test_s37_alternates_that_lead_nowhere_say_so() -> None:
    """S37: missing, already visited, the default exchange, or without bindings."""
    shop = Shop()
    shop.exchange("a", "direct", alternate_exchange="b")
    shop.exchange("b", "direct", alternate_exchange="a")
    assert (
        shop.explain("a", "k")
        == """
exchange 'a' (direct) ◀─ routing key 'k'
└─ ↪ nothing is bound; alternate exchange 'b' (direct)
   └─ ✘ nothing is bound; the alternate exchange 'a' was visited already
✘ reaches no queue: returned if published as mandatory, dropped otherwise
"""
    )
    shop.exchange("b", "direct", alternate_exchange="gone")
    assert "✘ nothing is bound; the alternate exchange 'gone' does not exist" in shop.explain("a")
    shop.exchange("b", "direct", alternate_exchange="")
    assert "the default exchange as alternate leads nowhere" in shop.explain("a")
    shop.exchange("b", "direct")
    assert "   └─ ✘ nothing is bound\n" in shop.explain("a")


def test_destinations_that_are_gone_say_so() -> None:
    shop = Shop()
    shop.exchange("x", "direct")
    shop.lead("x", "k", "gone", "queue")
    shop.lead("x", "k", "gone", "exchange")
    shop.bind("x", "k", "q")
    assert (
        shop.explain("x", "k")
        == """
exchange 'x' (direct) ◀─ routing key 'k'
├─ ✔ 'k' ─▶ queue 'gone', which does not exist
├─ ✔ 'k' ─▶ exchange 'gone', which does not exist
└─ ✔ 'k' ─▶ queue 'q'
✔ reaches 'q'
"""
    )


def test_what_was_hashed_and_what_it_fell_to() -> None:
    shop = Shop()
    shop.exchange("shards", "x-consistent-hash", hash_header="user")
    shop.bind("shards", "1", "a", "b")
    text = shop.explain("shards", "k", {"user": 7})
    chosen, other = ("a", "b") if "✔ weight 1 ─▶ queue 'a'" in text else ("b", "a")
    assert text.splitlines()[1] == (
        "exchange 'shards' (x-consistent-hash, by the hash of header 'user': '7')"
        " ◀─ routing key 'k', headers user=7"
    )
    assert f"✔ weight 1 ─▶ queue '{chosen}'\n" in text
    assert f"✘ weight 1 ─▶ queue '{other}': the hash falls to '{chosen}'\n" in text
    assert text.endswith(f"✔ reaches '{chosen}'\n")


def test_a_random_exchange_lists_what_may_be_drawn() -> None:
    shop = Shop()
    shop.exchange("any", "x-random")
    shop.exchange("audit", "fanout")
    shop.bind("any", "", "a")
    shop.lead("any", "", "audit")
    shop.bind("audit", "", "everything")
    assert (
        shop.explain("any")
        == """
exchange 'any' (x-random, one of 2 drawn at random) ◀─ routing key ''
├─ ? ─▶ queue 'a' (one chance in 2)
└─ ? ─▶ exchange 'audit' (fanout) (one chance in 2)
   └─ ✔ ─▶ queue 'everything'
? by chance reaches 'a' or 'everything' (through 'audit')
"""
    )


def test_what_is_certain_is_told_from_what_is_left_to_chance() -> None:
    shop = Shop()
    shop.exchange("x", "fanout")
    shop.exchange("any", "x-random")
    shop.lead("x", "", "any")
    shop.bind("x", "", "a")
    shop.bind("any", "", "a", "b")
    assert (
        shop.explain("x").splitlines()[-1] == "✔ reaches 'a'; by chance reaches 'b' (through 'any')"
    )


def test_s24_a_name_that_is_no_queue_shows_the_names_that_are() -> None:
    """S24."""
    shop = Shop()
    shop.queues = {"billing": None, "shipping": None}
    assert (
        shop.explain("", "biling")
        == """
the default exchange ◀─ routing key 'biling'
├─ ✘ 'billing'  ─▶ queue 'billing': the routing key is 'biling'  ◀ nearest miss
├─ ✘ 'shipping' ─▶ queue 'shipping': the routing key is 'biling'
└─ ✘ there is no queue 'biling'
✘ reaches no queue: returned if published as mandatory, dropped otherwise
"""
    )
    assert (
        shop.explain("", "billing")
        == """
the default exchange ◀─ routing key 'billing'
└─ ✔ 'billing' ─▶ queue 'billing'
✔ reaches 'billing'
"""
    )


def test_s56_each_binding_names_the_key_that_it_took() -> None:
    """S56."""
    shop = Shop()
    shop.exchange("x", "topic")
    shop.bind("x", "a.#", "q")
    shop.bind("x", "b", "r")
    assert (
        shop.explain("x", "z", {"CC": ["a.1"], "BCC": ["b"]})
        == """
exchange 'x' (topic) ◀─ routing key 'z', and by CC or BCC 'a.1', 'b'
├─ ✔ 'a.#' ─▶ queue 'q' (by routing key 'a.1')
└─ ✔ 'b'   ─▶ queue 'r' (by routing key 'b')
✔ reaches 'q', 'r'
"""
    )


def test_no_control_character_reaches_the_terminal() -> None:
    shop = Shop()
    shop.exchange("\x1b[31m", "headers")
    shop.bind("\x1b[31m", "", "q\x1b", arguments={"h\x1b": "v\x1b"})
    for headers in ({"h\x1b": "v\x1b"}, {"g\x1b": "\udcff"}):
        text = shop.explain("\x1b[31m", "k\x1b", dict(headers))
        assert text.replace("\n", "").isprintable()
        assert "'\\x1b[31m'" in text


def test_very_many_headers_are_cut() -> None:
    shop = Shop()
    shop.exchange("x", "fanout")
    heading = shop.explain("x", "k", {f"header{n}": n for n in range(1000)}).splitlines()[1]
    assert heading.endswith("…")
    assert len(heading) < 300


def test_a_long_way_is_cut_in_the_middle() -> None:
    shop = Shop()
    for number in range(7):
        shop.exchange(f"x{number}", "fanout")
    for number in range(6):
        shop.lead(f"x{number}", "", f"x{number + 1}")
    shop.bind("x6", "", "q")
    assert shop.explain("x0").splitlines()[-1] == (
        "✔ reaches 'q' (through 'x1', 'x2', 3 more, 'x6')"
    )


def test_the_trace_as_json_has_all_of_it() -> None:
    shop = Shop()
    shop.exchange("orders", "topic", alternate_exchange="lost")
    shop.exchange("audit", "fanout")
    shop.bind("orders", "order.#", "billing")
    shop.bind("orders", "invoice.#", "shipping")
    shop.lead("orders", "#", "audit")
    shop.lead("audit", "", "orders")
    trace = Router(shop.exchanges, shop.queues, First()).explain("orders", "order.paid")

    def binding(destination: str, key: str, to: str = "queue", source: str = "orders") -> object:
        return {
            "source": source,
            "destination_type": to,
            "destination": destination,
            "routing_key": key,
            "arguments": {},
        }

    to_audit = binding("audit", "#", "exchange")
    to_orders = binding("orders", "", "exchange", "audit")
    reason = "word 1 is 'order', the pattern wants 'invoice'"
    billing = binding("billing", "order.#")
    shipping = binding("shipping", "invoice.#") | {"matched": False, "reason": reason}  # type: ignore[operator]
    assert json.loads(trace.to_json()) == {
        "exchange": "orders",
        "routing_keys": ["order.paid"],
        "headers": {},
        "unroutable": False,
        "queues": ["billing"],
        "possible_queues": [],
        "paths": {"billing": [{"exchange": "orders", "by": "binding", "binding": billing}]},
        "visits": [
            {
                "exchange": "orders",
                "type": "topic",
                "source": None,
                "as_alternate": False,
                "binding": None,
                "by_chance": False,
                "note": "",
                "bindings": [
                    billing | {"matched": True, "reason": ""},  # type: ignore[operator]
                    shipping,
                    to_audit | {"matched": True, "reason": ""},  # type: ignore[operator]
                ],
                "nearest_misses": [shipping],
                "alternate": None,
                "cut": [],
            },
            {
                "exchange": "audit",
                "type": "fanout",
                "source": "orders",
                "as_alternate": False,
                "binding": to_audit,
                "by_chance": False,
                "note": "",
                "bindings": [to_orders | {"matched": True, "reason": ""}],  # type: ignore[operator]
                "nearest_misses": [],
                "alternate": None,
                "cut": ["orders"],
            },
        ],
    }


def test_json_has_every_binding_where_the_text_has_the_nearest() -> None:
    shop = Shop()
    shop.exchange("keys", "direct")
    for number in range(100):
        shop.bind("keys", f"key.{number}", "all")
    trace = Router(shop.exchanges, shop.queues, First()).explain("keys", "key")
    (visit,) = trace.to_dict()["visits"]
    assert len(visit["bindings"]) == 100
    assert all(one["reason"] for one in visit["bindings"])
    assert len(visit["nearest_misses"]) == 5


def test_values_that_json_does_not_know_become_text() -> None:
    shop = Shop()
    shop.exchange("x", "headers")
    headers: dict[str, FieldValue] = {
        "bytes": b"a\xff",
        "decimal": Decimal("1.50"),
        "time": datetime.datetime(2020, 1, 2, tzinfo=datetime.UTC),
    }
    trace = Router(shop.exchanges, {}, First()).explain("x", "", Properties(headers=headers))
    assert json.loads(trace.to_json(indent=2))["headers"] == {
        "bytes": "a\\xff",
        "decimal": "1.50",
        "time": "2020-01-02 00:00:00+00:00",
    }


def test_a_trace_stays_as_it_is_when_the_topology_changes() -> None:
    shop = Shop()
    shop.exchange("x", "fanout")
    shop.bind("x", "", "q")
    trace = Router(shop.exchanges, shop.queues, First()).explain("x", "")
    before = str(trace)
    shop.bind("x", "", "r")
    assert str(trace) == before
    assert (visit := trace.visit("x")) is not None
    assert visit.matched
    assert trace.visit("y") is None
