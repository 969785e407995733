"""Warnings, notes and failed expectations: each code on small files, beside the exact text.

`checked/CODE-NAME.yaml` is a file in which exactly that is found, `checked/CODE-NAME.txt` the text.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from attrs import evolve

from leveret.config import (
    BindingDeclaration,
    ExchangeDeclaration,
    Expectation,
    Permission,
    QueueDeclaration,
    Topology,
    User,
    VirtualHost,
    loads,
)
from leveret.config.findings import RULES
from leveret.config.loader import check_file

if TYPE_CHECKING:
    from leveret.config.model import DestinationType
    from leveret.properties import FieldValue

CHECKED = sorted((Path(__file__).parent / "checked").glob("*.yaml"))
CODES = [code for code in RULES if code not in ("E01", "E02", "E03", "E04")]

CLEAN = """
exchanges:
  orders: {type: topic, alternate: unrouted}
  unrouted: fanout
  images: headers
queues:
  billing: {max_length: 10_000, overflow: reject-publish}
  shipping: {type: quorum, delivery_limit: 5, dead_letter: true}
  shipping.dlq: {max_length: 1_000}
  unrouted: {ttl: 1d}
  thumbnails: {}
bindings:
  - orders[order.created.#, order.*.paid] -> billing
  - orders[order.*.packed] -> shipping
  - unrouted -> unrouted
  - {source: images, destination: thumbnails, match: {format: png}}
  - {source: images, destination: thumbnails, match: {format: jpeg}}
policies:
  cap: {pattern: ^thumb, apply_to: queues, definition: {max-length: 5_000}}
  temporary: {pattern: '^amq\\.gen-', definition: {expires: 60_000}}
users:
  shop: {permissions: {/: {configure: ^$, write: ^orders$, read: .*}}}
expect:
  - publish: {exchange: orders, routing_key: order.created.eu}
    reaches: [billing]
  - expires: {queue: shipping}
    reaches: [shipping.dlq]
"""


def codes(text: str, profile: str | None = None, *, notes: bool = False) -> list[str]:
    found = loads(text, environment={}).check(profile, notes=notes)
    return [finding.code for finding in found]


@pytest.mark.parametrize("file", CHECKED, ids=lambda file: file.stem)
def test_each_file_gets_its_findings(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    code = file.stem[:3]
    topology, found = check_file(file.name, notes=RULES[code].severity == "note", environment={})
    assert topology is not None
    expected = file.with_suffix(".txt").read_text(encoding="utf-8")
    assert "".join(f"{finding}\n" for finding in found) == expected
    assert {finding.code for finding in found} == {code}
    for finding in found:
        assert finding.remedy.endswith(".")
        assert not finding.message.endswith(".")
        assert finding.severity == RULES[code].severity


@pytest.mark.parametrize("code", CODES)
def test_each_code_has_a_file(code: str) -> None:
    assert any(file.name.startswith(code) for file in CHECKED)


def test_a_sane_file_is_clean() -> None:
    assert codes(CLEAN) == []


def test_notes_come_only_on_request() -> None:
    assert set(codes(CLEAN, notes=True)) == {"L09", "L10"}


@pytest.mark.parametrize(
    "text",
    [
        "queues: {jobs: {durable: false, lint: {ignore: [L11]}}}",
        "queues: {jobs: {durable: false}}\nlint: {ignore: [L11]}",
        "virtual_hosts: {t: {queues: {jobs: {durable: false}}, lint: {ignore: [L11]}}}",
        "defaults: {queue: {lint: {ignore: [L11]}}}\nqueues: {jobs: {durable: false}}",
        "exchanges: {a: {type: fanout, lint: {ignore: [L01]}}}\nqueues: [q]",
        "exchanges: {a: {type: fanout, lint: {ignore: [L03]}}}\nqueues: [q]\n"
        "bindings: [a -> q, 'a[k] -> q']",
        "exchanges: {a: fanout}\nqueues: [q]\nbindings: [a -> q, "
        "{source: a, destination: q, routing_key: k, lint: {ignore: [L03]}}]",
        "queues: [q]\npolicies: {p: {pattern: x, definition: {expires: 1}, lint: {ignore: [L13]}}}",
        "queues: [q]\nusers: {u: {permissions: {/: {configure: x, write: '', read: ''}}, "
        "lint: {ignore: [L13]}}}",
        "queues: {q: {dead_letter: true, lint: {ignore: [L06]}}}",
    ],
)
def test_a_warning_is_silenced_by_the_object_its_host_or_its_file(text: str) -> None:
    assert codes(text) == []
    assert codes(re.sub(r"\[L\d\d\]", "[]", text)) != []


def test_an_unsilenced_code_is_still_heard() -> None:
    assert codes("queues: {jobs: {durable: false, lint: {ignore: [L01, L10]}}}") == ["L11"]


@pytest.mark.parametrize(
    "text",
    [
        "queues: [a, b]",  # reached by their names
        "queues: {a: {dead_letter: true, lint: {ignore: [L06]}}, b: {}}",
        "exchanges: {x: topic}\nqueues: [a]\nbindings: ['x[a.*] -> a', 'x[*.b] -> a']",
        "exchanges: {x: x-consistent-hash}\nqueues: [a]\nbindings: ['x[1] -> a', 'x[2] -> a']",
        "exchanges: {x: x-random}\nqueues: [a]\nbindings: ['x[1] -> a', 'x[2] -> a']",
        "exchanges: {x: direct}\nqueues: [a, b]\nbindings: ['x[k] -> a', 'x[k] -> b']",
        "queues: [a, b]\nexchanges: {x: direct}\nbindings: ['x[k] -> a']\n"
        "requests: {ask: {exchange: '', routing_key: b}}",
        "queues: [a, b]\nexchanges: {x: direct}\nbindings: ['x[k] -> a']\n"
        "expect: [{publish: {routing_key: b}, reaches: [b]}]",
        "queues: {a: {max_length: 5, dead_letter: {exchange: '', routing_key: b}}, b: {}}",
        "queues: {a: {durable: false, exclusive: true}}",
        "queues: {a: {type: quorum}}",
        "queues: {délivré: {}, 'two words': {}}",
        "exchanges: {x: topic}\nqueues: [a]\nbindings: ['x[#.a.#] -> a']",
        "exchanges: {x: direct}\nqueues: [a]\nbindings: ['x[#.#.#.#] -> a']",
        "exchanges: {x: {type: fanout, internal: true}, y: fanout}\nqueues: [a]\n"
        "bindings: [y -> exchange x, x -> a]",
        "exchanges: {x: {type: fanout, internal: true}, y: {type: topic, alternate: x}}\n"
        "queues: [a]\nbindings: [x -> a]",
        "queues: {a: {dead_letter: {exchange: x}, max_length: 1}, b: {}}\n"
        "exchanges: {x: {type: fanout, internal: true}}\nbindings: [x -> b]",
    ],
)
def test_what_is_sound_makes_no_warning(text: str) -> None:
    assert codes(text) == []


def test_only_a_circle_that_a_key_can_take_is_reported() -> None:
    text = """
exchanges: {retry: {type: topic, internal: true}}
queues:
  a: {ttl: 1s, dead_letter: {exchange: retry}}
bindings: ["amq.topic[one.#] -> a", "retry[KEY] -> a"]
"""
    assert "L05" in codes(text.replace("KEY", "one.x"))
    assert "L05" not in codes(text.replace("KEY", "three"))


def test_reject_publish_kills_no_message() -> None:
    text = "queues: {{a: {{max_length: 1, {}dead_letter: {{exchange: '', routing_key: a}}}}}}"
    assert codes(text.format("")) == ["L05"]
    assert codes(text.format("overflow: reject-publish, ")) == []


def test_another_profile_asks_whether_the_file_would_survive_the_upgrade() -> None:
    text = "exchanges: {x: topic}\nqueues: {a: {durable: false}}\nbindings: ['x[#.a.#.#] -> a']\n"
    assert codes(text) == ["L11", "L12"]
    found = loads(text, "t.yaml").check("4.3")
    assert [(str(one.position), one.code) for one in found] == [
        ("t.yaml:2:10", "E04"),
        ("t.yaml:3:12", "E04"),
    ]
    assert found[0].message == "RabbitMQ 4.3 refuses a transient queue that is not exclusive"
    assert "3 '#' wildcards, at most 2 are allowed" in found[1].message


def test_arguments_are_those_that_the_version_knows() -> None:
    text = "queues: {{a: {{type: quorum, arguments: {{{}}}}}}}\ncompatibility: '{}'"
    assert codes(text.format("x-max-priority: 2", "4.3")) == []
    assert codes(text.format("x-max-priority: 2", "4.3"), "4.2") == ["E04"]
    assert codes("queues: {a: {consumer_timeout: 1m}}", "3.10") == []


def test_an_unknown_profile_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match=r"profile '5.0' is unknown; the profiles are 3.10"):
        loads("queues: [a]").check("5.0")


def test_a_topology_made_by_hand_can_be_checked() -> None:
    topology = evolve(loads("queues: {a: {durable: false}}"), sources={}, file="made by hand")
    (finding,) = topology.check("4.3")
    assert (finding.code, finding.source_line) == ("E04", "")
    assert Topology("nothing").check() == []


def test_of_a_faulty_file_nothing_is_said_that_its_faults_may_explain(tmp_path: Path) -> None:
    file = tmp_path / "t.yaml"
    file.write_text(
        "exchanges: {x: topic, y: topic}\nqueues: {a: {durable: false}, b: {ttl: never}}\n"
        "bindings: ['x[#] -> c', 'x[#] -> a', 'x[k] -> a']\n"
    )
    topology, found = check_file(file)
    assert topology is not None
    assert [finding.code for finding in found] == ["L11", "E01", "E02", "L03"]
    assert found == sorted(found, key=lambda finding: finding.position)


def test_findings_of_a_file_that_cannot_be_read_are_its_faults(tmp_path: Path) -> None:
    topology, (finding,) = check_file(tmp_path / "none.yaml")
    assert topology is None
    assert (finding.code, finding.message) == ("E01", "the file does not exist")


def test_names_that_exist_nowhere_do_no_harm() -> None:
    host = VirtualHost("/")
    for name, target in (("a", "nowhere"), ("b", ""), ("c", "x")):
        arguments: dict[str, FieldValue] = {"x-dead-letter-exchange": target, "x-message-ttl": 1}
        host.queues[name] = QueueDeclaration(name, arguments=arguments)
    host.exchanges["x"] = ExchangeDeclaration(
        "x", "x-unheard-of", arguments={"alternate-exchange": "nowhere"}
    )
    ends: list[tuple[str, DestinationType]] = [
        ("a", "queue"),
        ("nobody", "queue"),
        ("nowhere", "exchange"),
    ]
    host.bindings.extend(
        BindingDeclaration(source, destination, kind)
        for source in ("x", "nowhere", "amq.topic", "")
        for destination, kind in ends
    )
    topology = Topology(
        "made by hand",
        virtual_hosts={"/": host},
        expectations=[
            Expectation((), "nowhere"),
            Expectation((), expires_queue="nobody"),
            Expectation((), expires_queue="a"),
        ],
        users={"u": User("u", permissions={"elsewhere": Permission("a", "b", "c")})},
    )
    for profile in ("3.10", "4.3"):
        found = topology.check(profile, notes=True)
        assert "E05" in [finding.code for finding in found]


def test_kinds_of_queues_in_a_policy_came_after_rabbitmq_3_10() -> None:
    topology = loads(
        "queues: {orders: {type: quorum}}\n"
        'policies: {p: {pattern: "o", apply_to: quorum_queues, definition: {max-length: 1}}}\n'
    )
    found = {profile: topology.check(profile) for profile in ("3.10", "3.13", "4.2")}
    assert [one.code for one in found["3.10"]] == ["E04"]
    assert found["3.13"] == found["4.2"]
    assert "E04" not in [one.code for one in found["4.2"]]
