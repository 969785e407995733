"""A topology file of every form, and what it declares."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import pytest

from leveret.config import (
    Alert,
    BindingDeclaration,
    ExchangeDeclaration,
    Expectation,
    Permission,
    Policy,
    QueueDeclaration,
    Request,
    RetryPolicy,
    Subscription,
    TopicPermission,
    Topology,
    User,
    load,
    loads,
)
from leveret.errors import Position, TopologyError

if TYPE_CHECKING:
    from pathlib import Path

    from leveret.config import VirtualHost
    from leveret.properties import FieldValue

WHOLE = """\
# yaml-language-server: $schema=./topology.schema.json
version: 1
compatibility: "4.2"
defaults:
  queue: {durable: true}

exchanges:
  orders: topic
  images: headers
  audit: {type: fanout, alternate: unrouted}
  unrouted: fanout
  orders.dlx: fanout

queues:
  billing:
    max_priority: 10
    ttl: 1h
    max_length: 10_000
    overflow: reject-publish
    dead_letter: {exchange: orders.dlx, routing_key: billing}
  shipping: {dead_letter: true}
  thumbnails: {}
  everything: {arguments: {x-queue-mode: lazy}}
  quotes:

bindings:
  - orders[order.created.#, order.*.paid] -> billing
  - orders[order.*.packed] -> shipping
  - "orders[#] -> exchange audit"    # to an exchange
  - {source: images, destination: thumbnails, match: {x-match: all, format: png}}
  - audit -> everything

policies:
  cap: {pattern: "^everything$", apply_to: queues, priority: 1, definition: {max-length: 100_000}}

requests:
  quote: {exchange: "", routing_key: quotes, timeout: 2s}

subscriptions:
  bill:
    queue: billing
    prefetch: 8
    visibility_timeout: 30s
    retry: {attempts: 5, first: 1s, factor: 2, max: 1m, jitter: 0.1}
    dead_letter: shipping.dlq
  ship: {queue: shipping, concurrency: 2, retry: 3}
  look: {queue: everything}

alerts:
  backlog: {queue: billing, ready: "> 1_000", for: 5m}
  stuck: {queue: billing, oldest: ">= 10m"}

virtual_hosts:
  tenant-a: {exchanges: {events: direct}, queues: [a, b], bindings: ["events[k] -> b"]}

users:
  svc:
    password: ${SVC_PASSWORD}
    tags: [monitoring]
    permissions: {"/": {configure: "^$", write: ".*", read: ".*"}}
    topic_permissions: {"/": {orders: {write: "^order", read: ".*"}}}

expect:
  - publish: {exchange: orders, routing_key: order.created.eu}
    reaches: [billing, everything]
  - publish: {exchange: images, headers: {format: gif}}
    reaches: []
  - expires: {queue: shipping, after: 1h}
    reaches: [shipping.dlq]
"""


@pytest.fixture(scope="module")
def whole() -> Topology:
    return loads(WHOLE, "topology.yaml", environment={"SVC_PASSWORD": "s3cret"})


def host(text: str) -> VirtualHost:
    return loads(text, environment={}).virtual_hosts["/"]


def fault_of(text: str) -> str:
    with pytest.raises(TopologyError) as caught:
        loads(text, environment={})
    (fault,) = caught.value.faults
    return fault.message


def test_the_example_of_the_format_declares_its_exchanges(whole: Topology) -> None:
    assert whole.version == 1
    assert whole.compatibility == "4.2"
    assert list(whole.virtual_hosts) == ["/", "tenant-a"]
    assert whole.virtual_hosts["/"].exchanges == {
        "orders": ExchangeDeclaration("orders", "topic"),
        "images": ExchangeDeclaration("images", "headers"),
        "audit": ExchangeDeclaration(
            "audit", "fanout", arguments={"alternate-exchange": "unrouted"}
        ),
        "unrouted": ExchangeDeclaration("unrouted", "fanout"),
        "orders.dlx": ExchangeDeclaration("orders.dlx", "fanout"),
        "shipping.dlx": ExchangeDeclaration("shipping.dlx", "fanout"),
    }


def test_the_example_of_the_format_declares_its_queues(whole: Topology) -> None:
    assert whole.virtual_hosts["/"].queues == {
        "billing": QueueDeclaration(
            "billing",
            arguments={
                "x-max-priority": 10,
                "x-message-ttl": 3_600_000,
                "x-max-length": 10_000,
                "x-overflow": "reject-publish",
                "x-dead-letter-exchange": "orders.dlx",
                "x-dead-letter-routing-key": "billing",
            },
        ),
        "shipping": QueueDeclaration(
            "shipping", arguments={"x-dead-letter-exchange": "shipping.dlx"}
        ),
        "thumbnails": QueueDeclaration("thumbnails"),
        "everything": QueueDeclaration("everything", arguments={"x-queue-mode": "lazy"}),
        "quotes": QueueDeclaration("quotes"),
        "shipping.dlq": QueueDeclaration("shipping.dlq"),
    }


def test_the_example_of_the_format_declares_its_bindings(whole: Topology) -> None:
    match: dict[str, FieldValue] = {"x-match": "all", "format": "png"}
    assert whole.virtual_hosts["/"].bindings == [
        BindingDeclaration("orders", "billing", "queue", "order.created.#"),
        BindingDeclaration("orders", "billing", "queue", "order.*.paid"),
        BindingDeclaration("orders", "shipping", "queue", "order.*.packed"),
        BindingDeclaration("orders", "audit", "exchange", "#"),
        BindingDeclaration("images", "thumbnails", "queue", "", match),
        BindingDeclaration("audit", "everything"),
        BindingDeclaration("shipping.dlx", "shipping.dlq"),
    ]


def test_the_example_of_the_format_has_its_other_sections(whole: Topology) -> None:
    assert whole.virtual_hosts["/"].policies == {
        "cap": Policy("cap", "^everything$", "queues", 1, {"max-length": 100_000})
    }
    assert whole.virtual_hosts["/"].requests == {"quote": Request("quote", "", "quotes", 2000)}
    assert whole.virtual_hosts["/"].subscriptions == {
        "bill": Subscription(
            "bill",
            "billing",
            concurrency=4,
            prefetch=8,
            visibility_timeout_ms=30_000,
            retry=RetryPolicy(5, 1_000, 2.0, 60_000, 0.1),
            dead_letter="shipping.dlq",
        ),
        "ship": Subscription("ship", "shipping", 2, 4, retry=RetryPolicy(attempts=3)),
        "look": Subscription("look", "everything", 4, 8),
    }
    assert whole.virtual_hosts["/"].alerts == {
        "backlog": Alert("backlog", "billing", "ready", ">", 1_000, 300_000),
        "stuck": Alert("stuck", "billing", "oldest", ">=", 600_000),
    }
    tenant = whole.virtual_hosts["tenant-a"]
    assert list(tenant.queues) == ["a", "b"]
    assert tenant.bindings == [BindingDeclaration("events", "b", "queue", "k")]
    assert whole.users == {
        "svc": User(
            "svc",
            "s3cret",
            ("monitoring",),
            {"/": Permission("^$", ".*", ".*")},
            {"/": {"orders": TopicPermission("^order", ".*")}},
        )
    }
    assert "s3cret" not in repr(whole)
    assert whole.expectations == [
        Expectation(("billing", "everything"), "orders", "order.created.eu"),
        Expectation((), "images", headers={"format": "gif"}),
        Expectation(("shipping.dlq",), expires_queue="shipping", expires_after_ms=3_600_000),
    ]


def test_duplicates_are_dropped_in_friendly_words() -> None:
    words = "deduplication: true, deduplication_header: id, cache_size: 1_000, cache_ttl: 1d"
    made = host(f"exchanges: {{a: {{type: topic, {words}}}}}\nqueues: {{b: {{{words}}}}}")
    arguments = {
        "x-message-deduplication": True,
        "x-deduplication-header": "id",
        "x-cache-size": 1_000,
        "x-cache-ttl": 86_400_000,
    }
    assert made.exchanges["a"].arguments == made.queues["b"].arguments == arguments


def test_each_object_knows_its_place(whole: Topology) -> None:
    main = whole.virtual_hosts["/"]
    assert main.exchanges["images"].position == Position("topology.yaml", 9, 3)
    assert main.queues["billing"].position == Position("topology.yaml", 15, 3)
    assert main.queues["shipping.dlq"].position == Position("topology.yaml", 21, 27)
    assert main.bindings[1].position == Position("topology.yaml", 27, 5)
    assert main.bindings[4].position == Position("topology.yaml", 30, 5)
    assert main.policies["cap"].position == Position("topology.yaml", 34, 3)
    assert whole.virtual_hosts["tenant-a"].queues["b"].position == Position("topology.yaml", 54, 55)
    assert whole.users["svc"].position == Position("topology.yaml", 57, 3)
    assert whole.expectations[2].position == Position("topology.yaml", 68, 5)


def test_lists_and_maps_say_the_same() -> None:
    listed = host("queues: [a, {name: b, ttl: 1s}]\nexchanges: [{name: x, type: topic}]")
    mapped = host("queues: {a: {}, b: {ttl: 1s}}\nexchanges: {x: topic}")
    assert listed.queues == mapped.queues
    assert listed.exchanges == mapped.exchanges


def test_every_friendly_name_becomes_its_argument() -> None:
    text = """
exchanges: {dead: fanout, other: fanout, main: {type: topic, alternate: other}}
queues:
  classic:
    {type: classic, ttl: 30s, expires: 1h, max_length: 5, max_bytes: 10KiB, overflow: drop-head,
     max_priority: 3, single_active_consumer: true, consumer_timeout: 5m,
     dead_letter: {exchange: dead, routing_key: k}}
  quorum:
    {type: quorum, delivery_limit: -1, overflow: reject-publish,
     dead_letter: {exchange: dead, strategy: at-least-once}}
"""
    found = host(text)
    assert found.exchanges["main"].arguments == {"alternate-exchange": "other"}
    assert found.queues["classic"].arguments == {
        "x-queue-type": "classic",
        "x-message-ttl": 30_000,
        "x-expires": 3_600_000,
        "x-max-length": 5,
        "x-max-length-bytes": 10_240,
        "x-overflow": "drop-head",
        "x-max-priority": 3,
        "x-single-active-consumer": True,
        "x-consumer-timeout": 300_000,
        "x-dead-letter-exchange": "dead",
        "x-dead-letter-routing-key": "k",
    }
    assert found.queues["quorum"].arguments == {
        "x-queue-type": "quorum",
        "x-delivery-limit": -1,
        "x-overflow": "reject-publish",
        "x-dead-letter-exchange": "dead",
        "x-dead-letter-strategy": "at-least-once",
    }


def test_friendly_and_raw_arguments_mean_the_same() -> None:
    raw = "{x-message-ttl: 1_000, x-max-priority: 5, x-single-active-consumer: true}"
    friendly = "{ttl: 1s, max_priority: 5, single_active_consumer: true}"
    one = host(f"queues: {{q: {{arguments: {raw}}}}}")
    assert one.queues == host(f"queues: {{q: {friendly}}}").queues


def test_the_properties_of_exchanges_and_queues_are_read() -> None:
    found = host(
        "exchanges: {x: {type: direct, durable: false, auto_delete: true, internal: true}}\n"
        "queues: {q: {durable: false, exclusive: true, auto_delete: true}}"
    )
    assert found.exchanges["x"] == ExchangeDeclaration("x", "direct", False, True, True)
    assert found.queues["q"] == QueueDeclaration("q", False, True, True)


def test_camel_case_and_hyphens_are_read_too() -> None:
    found = host(
        """
exchanges: {x: {type: topic, autoDelete: true}}
queues: {q: {maxLength: 5, auto-delete: true}}
bindings: [{source: x, destination: q, destinationType: queue, routingKey: a}]
policies: {p: {pattern: q, apply-to: queues, definition: {max-length: 1}}}
operatorPolicies: {o: {pattern: q, applyTo: all, definition: {expires: 1_000}}}
"""
    )
    assert found.exchanges["x"].auto_delete
    assert found.queues["q"] == QueueDeclaration(
        "q", auto_delete=True, arguments={"x-max-length": 5}
    )
    assert found.bindings == [BindingDeclaration("x", "q", "queue", "a")]
    assert found.policies["p"].apply_to == "queues"
    assert found.operator_policies["o"].definition == {"expires": 1000}


def test_defaults_hold_where_an_object_says_nothing_else() -> None:
    text = """
defaults:
  exchange: {type: topic, durable: false}
  queue: {ttl: 1h, max_length: 5, arguments: {x-queue-mode: lazy}}
exchanges: [a, {name: b, type: direct, durable: true}]
queues: {p: {}, q: {ttl: 1s, arguments: {x-queue-mode: default, x-max-length: 7}}}
virtual_hosts:
  tenant: {defaults: {queue: {max_length: 9}}, queues: [r]}
"""
    topology = loads(text)
    main, tenant = topology.virtual_hosts.values()
    assert main.exchanges["a"] == ExchangeDeclaration("a", "topic", durable=False)
    assert main.exchanges["b"] == ExchangeDeclaration("b", "direct", durable=True)
    hour = {"x-message-ttl": 3_600_000, "x-max-length": 5, "x-queue-mode": "lazy"}
    assert main.queues["p"].arguments == hour
    own = {"x-message-ttl": 1000, "x-max-length": 7, "x-queue-mode": "default"}
    assert main.queues["q"].arguments == own
    assert tenant.queues["r"].arguments == {**hour, "x-max-length": 9}


def test_a_queue_can_switch_off_the_dead_letters_that_are_default() -> None:
    found = host(
        "exchanges: {dlx: fanout}\ndefaults: {queue: {dead_letter: {exchange: dlx}}}\n"
        "queues: {a: {}, b: {dead_letter: false}, c: {dead_letter: true}}"
    )
    assert found.queues["a"].arguments == {"x-dead-letter-exchange": "dlx"}
    assert found.queues["b"].arguments == {}
    assert found.queues["c"].arguments == {"x-dead-letter-exchange": "c.dlx"}


def test_a_dead_letter_queue_has_the_defaults_but_no_dead_letters_of_its_own() -> None:
    found = host("defaults: {queue: {dead_letter: true, max_length: 5}}\nqueues: [a]")
    assert list(found.queues) == ["a", "a.dlq"]
    assert found.queues["a.dlq"].arguments == {"x-max-length": 5}
    assert found.bindings == [BindingDeclaration("a.dlx", "a.dlq")]


def test_dead_letters_may_go_to_a_queue_by_the_default_exchange() -> None:
    found = host('queues: {a: {dead_letter: {exchange: "", routing_key: b}}, b: {}}')
    assert found.queues["a"].arguments == {
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": "b",
    }


def test_policies_are_read_with_the_keys_of_rabbitmq() -> None:
    found = host(
        "exchanges: {dlx: fanout}\n"
        "policies:\n"
        "  a: {pattern: ^a, definition: {dead-letter-exchange: dlx, message-ttl: 60_000}}\n"
        "  b: {pattern: ^b, priority: -1, definition: {ha-mode: all, federation-upstream: up}}\n"
    )
    assert found.policies == {
        "a": Policy("a", "^a", "all", 0, {"dead-letter-exchange": "dlx", "message-ttl": 60_000}),
        "b": Policy("b", "^b", "all", -1, {"ha-mode": "all", "federation-upstream": "up"}),
    }


def test_dead_letter_true_keeps_what_the_file_declares_itself() -> None:
    found = host(
        "exchanges: {a.dlx: {type: fanout, durable: false}}\n"
        "queues: {a: {dead_letter: true}, a.dlq: {ttl: 1h}}\n"
        "bindings: [a.dlx -> a.dlq]"
    )
    assert not found.exchanges["a.dlx"].durable
    assert found.queues["a.dlq"].arguments == {"x-message-ttl": 3_600_000}
    assert found.bindings == [BindingDeclaration("a.dlx", "a.dlq")]


def test_the_root_virtual_host_may_be_given_in_two_places() -> None:
    found = host('queues: [a]\nvirtual_hosts: {"/": {queues: [b], exchanges: {x: fanout}}}')
    assert list(found.queues) == ["a", "b"]


def test_the_exchanges_of_the_broker_can_be_bound_from_and_to() -> None:
    found = host(
        "queues: [q]\nbindings: [amq.fanout -> q, 'amq.topic[a.#] -> exchange amq.fanout']"
    )
    assert len(found.bindings) == 2
    assert host("exchanges: {amq.topic: topic}").exchanges["amq.topic"].type == "topic"


def test_a_name_that_looks_like_a_number_is_a_name() -> None:
    found = host(
        "exchanges: {404: topic}\nqueues: [200, 1.50, true]\n"
        "bindings: ['404[a] -> 200', {source: 404, destination: 1.50, routing_key: 0777}]"
    )
    assert list(found.queues) == ["200", "1.50", "true"]
    assert found.bindings[1] == BindingDeclaration("404", "1.50", "queue", "0777")


def test_the_values_of_a_match_have_the_types_of_yaml_1_2() -> None:
    text = """
exchanges: {x: headers}
queues: [q]
bindings:
  - source: x
    destination: q
    match: {a: 1, b: "1", c: yes, d: true, e: 1.5, f: ~, g: 1:30, h: 0777, i: 10_000}
    arguments: {j: [1, {k: v}]}
"""
    assert host(text).bindings[0].arguments == {
        "a": 1,
        "b": "1",
        "c": "yes",
        "d": True,
        "e": 1.5,
        "f": None,
        "g": "1:30",
        "h": 777,
        "i": "10_000",
        "j": [1, {"k": "v"}],
    }


def test_anchors_and_aliases_are_read() -> None:
    found = host("queues:\n  a: &shared {ttl: 1s}\n  b: *shared\n")
    assert found.queues["b"].arguments == {"x-message-ttl": 1000}


def test_variables_are_read_from_the_environment_given() -> None:
    text = """
exchanges: {orders: topic}
queues:
  q: {ttl: ${TTL:-1h}, durable: ${DURABLE}, max_length: ${MAX}}
bindings: ["orders[${PREFIX:-a}.#] -> q"]
"""
    topology = loads(text, environment={"DURABLE": "false", "MAX": "7"})
    queue = topology.virtual_hosts["/"].queues["q"]
    assert queue.arguments == {"x-message-ttl": 3_600_000, "x-max-length": 7}
    assert not queue.durable
    keys = [binding.routing_key for binding in topology.virtual_hosts["/"].bindings]
    assert keys == ["a.#"]


def test_variables_come_from_the_process_unless_others_are_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LEVERET_TEST_TTL", "5s")
    text = "queues: {q: {ttl: '${LEVERET_TEST_TTL}'}}"
    assert loads(text).virtual_hosts["/"].queues["q"].arguments == {"x-message-ttl": 5000}
    with pytest.raises(TopologyError, match="LEVERET_TEST_TTL is not set"):
        loads(text, environment={})


def test_characters_that_mask_variables_may_stand_in_the_file() -> None:
    text = "queues: {'\ue000\ue001': {arguments: {a: ${X:-1}, b: '\ue002'}}}"
    (queue,) = host(text).queues.values()
    assert queue.name == "\ue000\ue001"
    assert queue.arguments == {"a": 1, "b": "\ue002"}


def test_a_file_begins_with_a_byte_order_mark_or_not() -> None:
    assert loads("\ufeffqueues: [a]".encode()).virtual_hosts["/"].queues.keys() == {"a"}
    assert loads("\ufeffqueues: [a]").virtual_hosts["/"].queues.keys() == {"a"}


def test_every_line_ending_counts_as_one_line() -> None:
    for ending in ("\n", "\r\n", "\r"):
        text = ending.join(("queues:", "  a: {}", "  b: {ttl: x}"))
        with pytest.raises(TopologyError) as caught:
            loads(text.encode())
        assert caught.value.faults[0].position.line == 3
        assert caught.value.faults[0].source_line == "  b: {ttl: x}"


def test_only_a_headers_exchange_asks_for_x_match_s54() -> None:
    """S54: an x-match that is none of the four is refused in RabbitMQ's words."""
    text = (
        "exchanges: {x: %s}\nqueues: [q]\n"
        "bindings: [{source: x, destination: q, arguments: {x-match: bad}}]"
    )
    assert host(text % "topic").bindings[0].arguments == {"x-match": "bad"}
    assert fault_of(text % "headers") == (
        "RabbitMQ refuses this binding: PRECONDITION_FAILED - Invalid x-match field value"
        ' <<"bad">>; expected all, any, all-with-x, or any-with-x'
    )


@pytest.mark.parametrize("compatibility", ["3.10", "3.13", "4.2", "4.3"])
def test_the_profile_decides_what_is_refused_s49_s20(compatibility: str) -> None:
    """S49: three '#' in a topic binding, S20: a transient queue; refused by 4.3 alone."""
    head = f'compatibility: "{compatibility}"\nexchanges: {{x: topic}}\nqueues: [q]\n'
    hashes = head + 'bindings: ["x[#.#.#] -> q"]'
    transient = f'compatibility: "{compatibility}"\nqueues: {{q: {{durable: false}}}}'
    if compatibility == "4.3":
        assert "at most 2 are allowed" in fault_of(hashes)
        assert "refuses a transient queue" in fault_of(transient)
    else:
        assert loads(hashes).compatibility == compatibility
        assert loads(transient).compatibility == compatibility


def test_a_file_is_loaded_by_its_path(tmp_path: Path) -> None:
    file = tmp_path / "topology.yaml"
    file.write_text("queues: [a]")
    assert load(file) == load(str(file))
    assert load(file).file == str(file)


@pytest.mark.parametrize(
    ("name", "message", "remedy"),
    [
        ("missing.yaml", "the file does not exist", "Check the path"),
        (".", "the file is a directory", "Name the topology file in it."),
        ("nul\0", "the file cannot be read", "Check the path."),
    ],
)
def test_a_file_that_cannot_be_read_says_why(
    tmp_path: Path, name: str, message: str, remedy: str
) -> None:
    path = f"{tmp_path}/{name}"
    with pytest.raises(TopologyError) as caught:
        load(path)
    (fault,) = caught.value.faults
    assert fault.position == Position(path, 1, 1)
    assert fault.message == message
    assert fault.remedy.startswith(remedy)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermissionError(13, "Permission denied"), "the file may not be read by you"),
        (OSError(5, "Input/output error"), "the file cannot be read: Input/output error"),
    ],
)
def test_a_file_that_the_system_refuses_says_so(
    monkeypatch: pytest.MonkeyPatch, error: OSError, message: str
) -> None:
    def refuse(*_: object) -> NoReturn:
        raise error

    monkeypatch.setattr("leveret.config.loader.open", refuse, raising=False)
    with pytest.raises(TopologyError) as caught:
        load("secret.yaml")
    assert caught.value.faults[0].message == message


def test_a_file_far_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leveret.config.reading.MAX_FILE_BYTES", 2**20)
    assert fault_of("#" * 2**20 + "#") == "the file is larger than 1 MiB"


def test_twenty_thousand_bindings_are_a_topology() -> None:
    lines = (f"  - orders[order.{n}.paid] -> billing" for n in range(20_000))
    text = "exchanges: {orders: topic}\nqueues: [billing]\nbindings:\n" + "\n".join(lines)
    assert len(host(text).bindings) == 20_000
