"""What makes one topology of another: the class of each change, its costs, the better policy."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leveret.config import Change, Difference, loads
from leveret.config.anyfile import loads_any
from leveret.config.definitions_out import hash_password
from leveret.config.importing import import_definitions
from leveret.errors import Position

SHOP = """\
exchanges: {orders: topic, audit: fanout}
queues: {billing: {max_length: 1000}, shipping: {}}
bindings:
  - orders[order.created] -> billing
  - orders[order.packed] -> shipping
  - orders[#] -> exchange audit
  - audit -> shipping
policies: {cap: {pattern: ^bill, apply_to: queues, priority: 2, definition: {message-ttl: 9}}}
users: {svc: {password: secret, tags: [monitoring], permissions: {/: {configure: "", write: ".*", read: ".*"}}}}
"""  # noqa: E501


def difference(wanted: str, present: str) -> Difference:
    return loads(wanted, "wanted.yaml").diff(loads(present, "present.yaml"))


def only(wanted: str, present: str) -> Change:
    [change] = difference(wanted, present).changes
    return change


def test_a_file_does_not_differ_from_itself() -> None:
    assert not difference(SHOP, SHOP)
    assert str(difference(SHOP, SHOP)) == "no difference: present.yaml is as wanted.yaml wants it"


def test_a_file_does_not_differ_from_its_definitions() -> None:
    wanted = loads(SHOP)
    definitions = json.dumps(wanted.to_definitions())
    assert not wanted.diff(loads_any(definitions))
    assert not loads_any(definitions).diff(import_definitions(definitions).topology)


@pytest.mark.parametrize(
    ("old", "new", "action", "kind", "name"),
    [
        ("shipping: {}", "shipping: {}, new: {}", "create", "queue", "new"),
        ("audit: fanout", "audit: fanout, new: topic", "create", "exchange", "new"),
        ("definition: {message-ttl: 9}", "definition: {message-ttl: 8}", "update", "policy", "cap"),
        ("priority: 2", "priority: 3", "update", "policy", "cap"),
        ("pattern: ^bill", "pattern: ^b", "update", "policy", "cap"),
        ("{max_length: 1000}", "{max_length: 500}", "recreate", "queue", "billing"),
        ("max_length: 1000", "max_length: 1000, expires: 1d", "recreate", "queue", "billing"),
        ("shipping: {}", "shipping: {durable: false}", "recreate", "queue", "shipping"),
        ("shipping: {}", "shipping: {auto_delete: true}", "recreate", "queue", "shipping"),
        ("shipping: {}", "shipping: {type: quorum}", "recreate", "queue", "shipping"),
        ("audit: fanout", "audit: direct", "recreate", "exchange", "audit"),
        ("audit: fanout", "audit: {type: fanout, durable: false}", "recreate", "exchange", "audit"),
        ("audit: fanout", "audit: {type: fanout, internal: true}", "recreate", "exchange", "audit"),
        (
            "audit: fanout",
            "audit: {type: fanout, alternate: orders}",
            "recreate",
            "exchange",
            "audit",
        ),
        (
            "orders[order.created]",
            "orders[order.*]",
            "replace",
            "binding",
            "orders[order.*] -> billing",
        ),
        ("  - audit -> shipping\n", "", "extra", "binding", "audit -> shipping"),
        ("password: secret", "password: other", "update", "user", "svc"),
        ("tags: [monitoring]", "tags: []", "update", "user", "svc"),
        ('configure: ""', 'configure: "^$"', "update", "permission", "svc"),
        ("{cap:", "{top: {pattern: a, definition: {expires: 1}}, cap:", "create", "policy", "top"),
    ],
)  # fmt: skip
def test_each_change_has_its_class(old: str, new: str, action: str, kind: str, name: str) -> None:
    assert old in SHOP
    change = only(SHOP.replace(old, new), SHOP)
    assert (change.action, change.kind, change.name) == (action, kind, name)


def test_what_is_not_wanted_is_extra_with_its_bindings() -> None:
    change = only(
        "queues: [q]\nbindings: [amq.topic -> q]\n",
        "queues: [q, old]\nbindings: [amq.topic -> q, 'amq.topic[a, b] -> old']\n",
    )
    assert (change.action, change.kind, change.name) == ("extra", "queue", "old")
    assert change.bindings_lost == ("amq.topic[a] -> old", "amq.topic[b] -> old")
    assert change.loses_messages


def test_a_virtual_host_that_is_not_wanted_stands_for_all_that_is_in_it() -> None:
    change = only("queues: [q]\n", "queues: [q]\nvirtual_hosts: {old: {queues: [a, b]}}\n")
    assert (change.action, change.kind, change.name) == ("extra", "virtual host", "old")


def test_recreating_an_exchange_costs_the_bindings_to_and_from_it() -> None:
    change = only(SHOP.replace("audit: fanout", "audit: direct"), SHOP)
    assert change.bindings_lost == ("orders[#] -> exchange audit", "audit -> shipping")
    assert not change.loses_messages
    assert change.policy is None, "no policy sets the type of an exchange"


def test_a_queue_of_the_default_type_may_say_so() -> None:
    assert not difference("queues: {q: {type: classic}}\n", "queues: [q]\n")


def test_a_smaller_limit_can_be_set_by_policy_at_once() -> None:
    policy = only(SHOP.replace("max_length: 1000", "max_length: 500"), SHOP).policy
    assert policy is not None
    assert policy.suffices
    assert policy.pattern == "^billing$"
    assert policy.apply_to == "queues"
    assert policy.priority == 3, "above the policy that counts now"
    assert policy.definition == {"message-ttl": 9, "max-length": 500}, "and with what that one sets"


def test_s100_a_larger_limit_cannot_be_set_by_policy_while_the_argument_is_there() -> None:
    change = only(SHOP.replace("max_length: 1000", "max_length: 2000"), SHOP)
    assert change.policy is not None
    assert not change.policy.suffices


def test_s100_another_dead_letter_exchange_cannot_be_set_by_policy_but_a_first_one_can() -> None:
    queue = "queues: {q: {dead_letter: {exchange: %s}}}\n"
    other = only(queue % "amq.fanout", queue % "amq.topic")
    first = only(queue % "amq.fanout", "queues: [q]\n")
    assert other.policy is not None
    assert not other.policy.suffices
    assert first.policy is not None
    assert first.policy.suffices


def test_the_pattern_of_a_policy_takes_the_name_literally() -> None:
    policy = only('queues: {"a.b+c": {ttl: 1s}}\n', 'queues: ["a.b+c"]\n').policy
    assert policy is not None
    assert policy.pattern == r"^a\.b\+c$"


def test_a_policy_says_how_much_it_reaches() -> None:
    change = only(SHOP.replace("priority: 2", "priority: 3"), SHOP)
    assert change.costs == ("what it sets changes at once for 1 object",)


def test_a_password_is_compared_with_the_hash_that_is_there() -> None:
    hashed = (
        "users: {svc: {password_hash: %s, hashing_algorithm: rabbit_password_hashing_sha256}}\n"
    )
    assert not difference(
        "users: {svc: {password: a}}\n", hashed % hash_password("other salt", "a")
    )
    change = only("users: {svc: {password: a}}\n", hashed % hash_password("svc", "b"))
    assert [aspect.name for aspect in change.differences] == ["password"]
    assert "hash" not in str(change.to_dict()["differences"]).replace("(hidden)", "")
    assert not difference("users: {svc: {}}\n", hashed % hash_password("svc", "b")), "none is asked"


def test_bindings_of_one_pair_are_matched_by_key_first() -> None:
    wanted = "queues: [q]\nbindings:\n  - {source: amq.headers, destination: q, match: {a: 1}}\n"
    present = wanted.replace("a: 1", "a: 2")
    change = only(wanted, present)
    assert change.action == "replace"
    assert [aspect.name for aspect in change.differences] == ["arguments"]


def test_the_brokers_own_things_are_not_compared() -> None:
    present = {
        "vhosts": [{"name": "/", "metadata": {"description": "Default"}}],
        "global_parameters": [{"name": "internal_cluster_id", "value": "x"}],
        "queues": [],
    }
    assert not loads("exchanges: {amq.topic: topic}\n").diff(loads_any(json.dumps(present)))


def test_an_internal_exchange_that_an_export_leaves_out_is_known_by_its_bindings() -> None:
    """Rabbitmqctl exports no internal exchange, but its bindings."""
    wanted = loads(
        "exchanges: {in: fanout, hidden: {type: topic, internal: true}}\n"
        "queues: [q]\n"
        "bindings: ['in -> exchange hidden', 'hidden[a] -> q']\n"
    )
    export = wanted.to_definitions()
    del export["exchanges"][1], export["exchanges"][0]["internal"]
    present = loads_any(json.dumps(export))
    assert not wanted.diff(present)
    assert not present.diff(wanted)
    export["bindings"] = []
    changes = wanted.diff(loads_any(json.dumps(export))).changes
    assert [(change.action, change.kind) for change in changes] == [
        ("create", "exchange"),
        ("create", "binding"),
        ("create", "binding"),
    ]


def test_a_virtual_host_without_metadata_is_one_whose_metadata_is_empty() -> None:
    export: dict[str, Any] = {
        "vhosts": [{"name": "/", "limits": [], "metadata": {"description": "", "tags": []}}]
    }
    assert not loads_any(json.dumps(export)).diff(loads("queues: []\n"))
    export["vhosts"][0]["metadata"]["default_queue_type"] = "quorum"
    [change] = loads_any(json.dumps(export)).diff(loads("queues: []\n")).changes
    assert (change.action, change.differences[0].name) == ("update", "metadata")


def test_parameters_of_plugins_are_compared_too() -> None:
    parameter = {"vhost": "/", "component": "shovel", "name": "s", "value": {"src-queue": "a"}}
    wanted, present = {"parameters": [parameter]}, {"parameters": [parameter | {"value": {}}]}
    [change] = (
        loads_any(json.dumps(wanted | {"vhosts": []}))
        .diff(loads_any(json.dumps(present | {"vhosts": []})))
        .changes
    )
    assert (change.action, change.kind, change.name) == ("update", "parameter", "shovel s")


def test_an_operator_policy_may_leave_out_what_has_its_default() -> None:
    value = {"pattern": ".*", "definition": {"max-length": 1}}
    parameter = {"vhost": "/", "component": "operator_policy", "name": "p", "value": value}
    policy = "{pattern: '.*', definition: {max-length: 1}}"
    read = loads_any(json.dumps({"vhosts": [], "parameters": [parameter]}))
    assert not read.diff(loads(f"operator_policies: {{p: {policy}}}\n"))


def test_a_change_knows_where_the_wanted_object_stands() -> None:
    change = only("queues:\n  q: {}\n", "exchanges: {}\n")
    assert change.position == Position("wanted.yaml", 2, 3)


def test_the_text_groups_by_virtual_host_and_sums_up() -> None:
    wanted = "queues: {q: {max_length: 5}, n: {}}\nvirtual_hosts: {b: {queues: [x]}}\n"
    present = "queues: {q: {max_length: 9}}\nbindings: ['amq.topic[a] -> q']\n"
    assert str(difference(wanted, present)).splitlines() == [
        "what makes present.yaml into wanted.yaml:",
        "",
        "the whole broker",
        "  + create virtual host b",
        "",
        "virtual host /",
        "  ! recreate queue q",
        "      x-max-length: 9 → 5",
        "      costs every message in it, and its consumers are cancelled",
        "            1 binding, to be made again",
        "              amq.topic[a] -> q",
        "      instead, and without any loss, set a policy:",
        '        q-max-length: {pattern: "^q$", apply_to: queues, priority: 0, '
        'definition: {"max-length": 5}}',
        "  + create queue n",
        "  - extra binding amq.topic[a] -> q",
        "",
        "virtual host b",
        "  + create queue x",
        "",
        "3 to create, 1 to recreate, 1 extra",
    ]


def test_the_json_has_every_change_and_a_sum() -> None:
    found = difference(SHOP.replace("1000", "500"), SHOP).to_dict()
    assert found["summary"] == {"create": 0, "update": 0, "recreate": 1, "replace": 0, "extra": 0}
    [change] = json.loads(json.dumps(found))["changes"]
    assert change["differences"] == [{"name": "x-max-length", "wanted": 500, "present": 1000}]
    assert change["policy"]["suffices"] is True


NAMES = st.sampled_from("abc")
TOPOLOGIES = st.fixed_dictionaries(
    {
        "exchanges": st.dictionaries(NAMES, st.sampled_from(["topic", "fanout"]), max_size=3),
        "queues": st.dictionaries(
            NAMES, st.dictionaries(st.just("max_length"), st.integers(1, 3)), max_size=3
        ),
        "bindings": st.lists(st.tuples(NAMES, st.sampled_from("xyz"), NAMES), unique=True),
    }
)


def write(sketch: dict[str, Any]) -> str:
    bindings = [
        f"{source}[{key}] -> {destination}"
        for source, key, destination in sketch["bindings"]
        if source in sketch["exchanges"] and destination in sketch["queues"]
    ]
    return json.dumps(sketch | {"bindings": bindings})


@settings(max_examples=60, deadline=None)
@given(TOPOLOGIES, TOPOLOGIES)
def test_every_object_of_one_side_alone_is_named_and_no_other(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    wanted, present = loads(write(first)), loads(write(second))
    found = wanted.diff(present)
    for kind in ("exchange", "queue"):
        here, there = (set(sketch[f"{kind}s"]) for sketch in (first, second))
        named = {
            action: {c.name for c in found.of(action) if c.kind == kind}
            for action in ("create", "recreate", "extra")
        }
        assert named["create"] == here - there
        assert named["extra"] == there - here
        assert named["recreate"] == {
            name for name in here & there if first[f"{kind}s"][name] != second[f"{kind}s"][name]
        }
    bound = [
        {(binding.source, binding.routing_key, binding.destination) for binding in host.bindings}
        for host in (wanted.virtual_hosts["/"], present.virtual_hosts["/"])
    ]
    made = [c for c in found.changes if c.kind == "binding" and c.action in ("create", "replace")]
    assert len(made) == len(bound[0] - bound[1])


def test_twenty_thousand_bindings_take_seconds_not_minutes() -> None:
    def topology(seed: int) -> dict[str, Any]:
        chance = random.Random(seed)
        bindings = [
            {"source": f"e{i % 100}", "destination": f"q{i % 999}", "routing_key": f"k{i}"}
            for i in range(20_000)
            if chance.random() < 0.9
        ]
        return {
            "vhosts": [],
            "exchanges": [{"name": f"e{i}", "type": "topic"} for i in range(100)],
            "queues": [{"name": f"q{i}"} for i in range(999)],
            "bindings": bindings,
        }

    wanted, present = (loads_any(json.dumps(topology(seed))) for seed in (1, 2))
    begin = time.process_time()
    found = wanted.diff(present)
    assert time.process_time() - begin < 5
    assert 1000 < len(found.changes) < 5000
