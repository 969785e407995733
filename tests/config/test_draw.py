"""Topologies as pictures: what is on them, and that nothing lies on anything else."""

from __future__ import annotations

import itertools
import json
import sys
import time
import xml.etree.ElementTree as ET
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layouts import check_layout

from leveret import Broker
from leveret.config import Topology, loads
from leveret.config.anyfile import loads_any
from leveret.config.draw import FORMATS
from leveret.config.draw_graph import Box, Drawing, printable
from leveret.config.draw_layout import lay_out
from leveret.config.draw_parts import MAX_ARROWS, TooLargeToDrawError, grouped, only
from leveret.config.draw_sketch import drawing_of

SHOP = """\
exchanges:
  orders: {type: topic, alternate: unrouted}
  unrouted: fanout
  images: headers
  hidden: {type: fanout, internal: true}
queues:
  billing: {ttl: 1h, max_length: 10_000, dead_letter: true}
  shipping: {type: quorum}
  lost: {}
  unrouted: {}
  secret: {}
bindings:
  - orders[order.created.#, order.*.paid] -> billing
  - orders[order.packed] -> shipping
  - {source: images, destination: shipping, match: {x-match: any, format: png}}
  - unrouted -> unrouted
  - hidden -> secret
policies:
  later: {pattern: ^ship, definition: {dead-letter-exchange: orders}}
virtual_hosts:
  tenant-a: {queues: [q], bindings: ["amq.topic[a.#] -> q"]}
"""


def shop() -> Topology:
    return loads(SHOP, "shop.yaml")


def box(drawing: Drawing, kind: Any, name: str) -> Box:
    return drawing.hosts[0].boxes[kind, name]


def arrows(drawing: Drawing) -> dict[tuple[str, str], list[str]]:
    """Return "source kind" and target -> label, of the first virtual host."""
    return {
        (f"{arrow.source[1]} {arrow.kind}", arrow.target[1]): arrow.label
        for arrow in drawing.hosts[0].arrows
    }


# --- what is on a picture ---------------------------------------------------------


def test_bindings_of_one_pair_are_one_arrow_with_their_keys() -> None:
    found = arrows(drawing_of(shop()))
    assert found["orders binding", "billing"] == ["order.created.#", "order.*.paid"]
    assert found["images binding", "shipping"] == ["any of format=png"]
    assert found["unrouted binding", "unrouted"] == []


def test_alternates_and_dead_letters_are_arrows_by_argument_or_policy() -> None:
    found = arrows(drawing_of(shop()))
    assert found["orders alternate", "unrouted"] == ["what no binding takes"]
    assert found["billing dead-letter", "billing.dlx"] == ["dead letters"]
    assert found["shipping dead-letter", "orders"] == ["dead letters", "by policy later"]


def test_dead_letters_through_the_default_exchange_go_from_queue_to_queue() -> None:
    topology = loads("queues: {a: {dead_letter: {exchange: '', routing_key: b}}, b: {}}\n")
    assert arrows(drawing_of(topology)) == {("a dead-letter", "b"): ["dead letters"]}


def test_dead_letters_without_a_key_go_back_by_the_key_that_a_binding_says() -> None:
    topology = loads(
        "exchanges: {dlx: direct}\n"
        "queues: {work: {dead_letter: {exchange: dlx, routing_key: work}},\n"
        "         dlq: {ttl: 1m, dead_letter: {exchange: ''}}}\n"
        "bindings: ['amq.topic[a] -> work', 'dlx[work] -> dlq']\n"
    )
    assert arrows(drawing_of(topology))["dlq dead-letter", "work"] == ["dead letters"]
    unknown = loads("queues: {q: {dead_letter: {exchange: ''}}}\nbindings: [amq.fanout -> q]\n")
    assert arrows(drawing_of(unknown))["q dead-letter", ""] == ["dead letters"]
    assert box(drawing_of(unknown), "exchange", "").title == "default exchange"


def test_a_queue_that_is_called_by_name_hangs_on_the_default_exchange() -> None:
    topology = loads("queues: [ask, other]\nrequests: {r: {routing_key: ask}}\n")
    assert arrows(drawing_of(topology)) == {(" binding", "ask"): []}
    route = Broker.from_topology(topology).explain("", "other")
    drawing = drawing_of(topology, route=route)
    assert [a.target[1] for a in drawing.hosts[0].arrows if a.lit] == ["other"]


def test_a_policy_that_only_rabbitmq_can_read_applies_to_nothing() -> None:
    definitions = {
        "vhosts": [{"name": "/"}],
        "queues": [{"name": "q"}],
        "policies": [
            {
                "name": "p",
                "pattern": "(?<n>q)",
                "definition": {"dead-letter-exchange": "amq.fanout"},
            }
        ],
    }
    assert arrows(drawing_of(loads_any(json.dumps(definitions)))) == {}


def test_what_nothing_leads_to_is_unreached() -> None:
    drawing = drawing_of(shop())
    unreached = [item.name for item in drawing.hosts[0].boxes.values() if not item.reached]
    assert unreached == ["hidden", "lost", "secret"]


@pytest.mark.parametrize(
    "by",
    [
        "requests: {r: {routing_key: ask}}",
        "expect: [{publish: {routing_key: ask}, reaches: [ask]}]",
    ],
)
def test_a_queue_that_something_names_is_reached(by: str) -> None:
    assert box(drawing_of(loads(f"queues: [ask]\n{by}\n")), "queue", "ask").reached


def test_warnings_of_the_checker_are_marked_where_they_belong() -> None:
    topology = loads(
        "queues: {work: {dead_letter: true}, lost: {}}\nbindings: ['amq.topic[a] -> work']\n"
    )
    drawing = drawing_of(topology, topology.check())
    assert any("L02" in warning for warning in box(drawing, "queue", "lost").warnings)
    assert any("L06" in warning for warning in box(drawing, "queue", "work.dlq").warnings)
    assert not box(drawing, "exchange", "work.dlx").warnings, "it only stands at the same place"
    assert not box(drawing, "queue", "work").warnings
    assert not any(arrow.warnings for arrow in drawing.hosts[0].arrows)


def test_a_warning_of_a_binding_is_marked_on_its_arrow() -> None:
    topology = loads("queues: [q]\nbindings:\n  - 'amq.topic[#] -> q'\n  - amq.topic[a] -> q\n")
    drawing = drawing_of(topology, topology.check())
    [arrow] = drawing.hosts[0].arrows
    assert any("L03" in warning for warning in arrow.warnings)
    assert "covered" in str(topology.draw("svg"))


def test_the_settings_of_a_queue_are_its_second_line() -> None:
    drawing = drawing_of(shop())
    assert box(drawing, "queue", "billing").subtitle == "ttl 1h · max 10,000"
    assert box(drawing, "queue", "shipping").subtitle == "quorum"
    assert box(drawing, "exchange", "orders").subtitle == "topic"
    by_policy = loads(
        "queues: {q: {durable: false, single_active_consumer: true}}\n"
        "policies: {p: {pattern: q, definition: {max-length-bytes: 10_240, expires: 60_000}}}\n"
    )
    subtitle = box(drawing_of(by_policy), "queue", "q").subtitle
    assert subtitle == "transient · expires 1m · max 10KiB · one consumer"


def test_a_route_is_lit_and_all_else_is_dim() -> None:
    topology = shop()
    route = Broker.from_topology(topology).explain("orders", "order.1.paid")
    drawing = drawing_of(topology, route=route)
    lit = [item.name for item in drawing.hosts[0].boxes.values() if item.lit]
    assert lit == ["orders", "billing"]
    assert [a.target[1] for a in drawing.hosts[0].arrows if a.lit] == ["billing"]
    assert drawing.route == "orders[order.1.paid] reaches billing"
    assert all(item.lit is False for item in drawing.hosts[1].boxes.values())


def test_a_route_over_the_alternate_is_lit_too() -> None:
    topology = shop()
    route = Broker.from_topology(topology).explain("orders", "nobody")
    drawing = drawing_of(topology, route=route)
    assert [(a.kind, a.target[1]) for a in drawing.hosts[0].arrows if a.lit] == [
        ("binding", "unrouted"),
        ("alternate", "unrouted"),
    ]


def test_many_keys_are_counted() -> None:
    keys = ", ".join(f"k{number}" for number in range(9))
    topology = loads(f"queues: [q]\nbindings: ['amq.topic[{keys}] -> q']\n")
    [label] = arrows(drawing_of(topology)).values()
    assert label == ["k0", "k1", "k2", "and 6 more"]


def test_a_long_name_is_cut_in_its_middle() -> None:
    assert printable("a" * 50) == "a" * 17 + "…" + "a" * 16
    assert printable("a\nb\x1b") == "a\\nb\\x1b"


# --- parts of large topologies -------------------------------------------------------


def large() -> Topology:
    exchanges = ", ".join(f"e.{number}: topic" for number in range(30))
    queues = ", ".join(f"q{number}" for number in range(30))
    bindings = "".join(f"  - e.{i}[k] -> q{j}\n" for i in range(30) for j in range(30))
    return loads(f"exchanges: {{{exchanges}}}\nqueues: [{queues}]\nbindings:\n{bindings}")


def test_too_much_for_a_picture_is_said_kindly_with_what_to_do_instead() -> None:
    with pytest.raises(TooLargeToDrawError) as caught:
        large().draw()
    assert str(caught.value) == (
        "60 exchanges and queues with 900 bindings are no picture that anybody could read. "
        "Draw a part of it with --only NAME, such as --only 'e.0', or names that begin alike as "
        "one box with --group. The most arrows are at 'e.0' (30), 'e.1' (30), 'e.10' (30)."
    )


def test_names_that_begin_alike_are_one_box() -> None:
    drawing = grouped(drawing_of(large()))
    assert [(item.name, item.members) for item in drawing.hosts[0].boxes.values()] == [
        ("e*", 30),
        ("q*", 30),
    ]
    assert arrows(drawing) == {("e* binding", "q*"): ["900 bindings"]}
    assert "900 bindings" in str(large().draw(group=True))


def test_only_what_is_named_is_drawn_with_its_neighbours() -> None:
    drawing = only(drawing_of(large()), ["e.7", "e.8"])
    names = [item.name for item in drawing.hosts[0].boxes.values()]
    assert names == ["e.7", "e.8", *(f"q{number}" for number in range(30))]
    assert drawing.arrows == 60


def test_nothing_is_named_nothing_is_drawn() -> None:
    topology = shop()
    assert only(drawing_of(topology), ["missing"]).hosts == []
    for format_ in FORMATS:
        assert topology.draw(format_, names=["missing"])


# --- formats ---------------------------------------------------------------------------


def test_mermaid_has_every_box_and_arrow() -> None:
    lines = str(shop().draw()).splitlines()
    assert lines[0] == "flowchart LR"
    assert '    subgraph v0["virtual host /"]' in lines
    assert '        n0_0{{"orders<br/>topic"}}:::exchange' in lines
    assert '        n0_7["lost"]:::unreached' not in lines, "the warning is before the name"
    assert any('["⚠ lost"]:::unreached' in line for line in lines)
    assert any('-.->|"what no binding takes"|' in line for line in lines)
    assert any('-->|"order.created.#35;<br/>order.#42;.paid"|' in line for line in lines)


def test_mermaid_numbers_the_arrows_of_a_route() -> None:
    topology = shop()
    route = Broker.from_topology(topology).explain("orders", "order.packed")
    text = str(topology.draw(route=route))
    assert "    linkStyle 1 stroke:#1f7a4d,stroke-width:3px" in text
    assert ":::lit" in text


def test_dot_has_a_cluster_for_each_virtual_host() -> None:
    text = str(shop().draw("dot"))
    assert text.startswith("digraph topology {\n")
    assert 'label="virtual host tenant-a"' in text
    assert 'label="order.created.#\\norder.*.paid" style=solid' in text
    assert 'label="what no binding takes" style=dashed' in text
    assert text.count("{") == text.count("}")


ODD = ['"', "\\", "<b>&", "a b", "}", "]", "é", "日本", "%%", "end", "x\ny", "--", ";", "#", "`"]


def odd() -> Topology:
    definitions: dict[str, Any] = {
        "vhosts": [{"name": "/"}],
        "exchanges": [{"name": name, "type": "topic"} for name in ODD],
        "queues": [{"name": name} for name in ODD],
        "bindings": [
            {"source": name, "destination": name, "routing_key": other}
            for name, other in itertools.pairwise(ODD)
        ],
    }
    return loads_any(json.dumps(definitions))


def test_odd_names_break_no_format() -> None:
    topology = odd()
    root = ET.fromstring(str(topology.draw("svg")))
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {printable(name) for name in ODD} <= set(texts)
    for line in str(topology.draw("dot")).splitlines():
        assert line.replace("\\\\", "").replace('\\"', "").count('"') % 2 == 0, line
    mermaid = str(topology.draw("mermaid"))
    assert "<b>" not in mermaid
    assert "日本" in mermaid


def test_png_is_an_image_of_twice_the_size_of_the_svg() -> None:
    topology = shop()
    image = topology.draw("png")
    assert isinstance(image, bytes)
    assert image[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = (int.from_bytes(image[at : at + 4], "big") for at in (16, 20))
    root = ET.fromstring(str(topology.draw("svg")))
    assert (width, height) == (2 * int(root.attrib["width"]), 2 * int(root.attrib["height"]))


def test_one_topology_is_always_the_same_picture() -> None:
    assert shop().draw("svg") == shop().draw("svg")
    assert shop().draw("png") == shop().draw("png")


@pytest.mark.parametrize("package", ["graphlay", "resvg_py", "font_roboto"])
def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModuleNotFoundError) as caught:
        shop().draw("png")
    assert caught.value.name == package
    assert shop().draw("mermaid")


# --- layout ------------------------------------------------------------------------------


#: A virtual host of which two fit side by side on a screen.
HOST = """\
    exchanges: {events: topic}
    queues: [a.rather.long.name.of.a.queue]
    bindings: ["events[a.rather.long.routing.key.#] -> a.rather.long.name.of.a.queue"]
"""


def sixty() -> Topology:
    services = ["orders", "stock", "mail", "users", "search", "billing", "fraud", "reports"]
    lines = ["exchanges:", *(f"  {name}: topic" for name in services), "  events: topic"]
    lines += ["  dlx: direct", "queues:"]
    for name in services:
        dead = f"{{dead_letter: {{exchange: dlx, routing_key: {name}}}}}"
        lines += [f"  {name}.commands: {dead}", f"  {name}.dead: {{max_length: 10_000}}"]
        lines += [f"  {name}.{queue}: {{}}" for queue in ("events", "retry", "audit")]
    lines.append("bindings:")
    for name, other in zip(services, services[1:] + services[:1], strict=True):
        lines += [
            f"  - {name}[{name}.command.*] -> {name}.commands",
            f"  - {name}[{name}.event.#] -> exchange events",
            f"  - {name}[{name}.retry] -> {name}.retry",
            f'  - "{name}[#] -> {name}.audit"',
            f"  - dlx[{name}] -> {name}.dead",
            f"  - events[{other}.event.#, {name}.event.created] -> {name}.events",
        ]
    return loads("\n".join(lines) + "\n")


@pytest.mark.parametrize("topology", [shop, sixty, odd], ids=lambda make: make.__name__)
def test_nothing_lies_on_anything_else(topology: Any) -> None:
    check_layout(lay_out(drawing_of(topology())))


def test_virtual_hosts_have_frames_side_by_side_where_they_fit_and_else_below() -> None:
    picture = lay_out(drawing_of(shop()))
    first, second = picture.frames
    assert (first.name, second.name) == ("/", "tenant-a")
    assert first.x + first.width < second.x
    assert (first.y, first.height) == (second.y, second.height)
    for placed in picture.boxes:
        frame = second if placed.box.name in ("q", "amq.topic") else first
        assert frame.x < placed.x
        assert placed.x + placed.width < frame.x + frame.width
        assert frame.y < placed.y
        assert placed.y + placed.height < frame.y + frame.height
    tenants = "".join(f"  t{number}:\n{HOST}" for number in range(3))
    above, below, last = lay_out(drawing_of(loads(f"virtual_hosts:\n{tenants}"))).frames
    assert above.y == below.y < last.y - last.height
    assert above.x == last.x
    assert below.x + below.width == last.x + last.width


NAMES = st.sampled_from([f"n{number}" for number in range(6)])


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(NAMES, st.sampled_from(["", "k", "a.long.key.#"]), NAMES), max_size=14),
    st.lists(st.tuples(NAMES, NAMES), max_size=4),
)
def test_any_topology_is_laid_out_without_overlaps(
    bindings: list[tuple[str, str, str]], dead_letters: list[tuple[str, str]]
) -> None:
    lines = ["exchanges: {" + ", ".join(f"n{number}: topic" for number in range(6)) + "}"]
    targets = dict(dead_letters)
    lines.append("queues:")
    for name in (f"n{number}" for number in range(6)):
        target = f"{{dead_letter: {{exchange: {targets[name]}}}}}" if name in targets else "{}"
        lines.append(f"  {name}: {target}")
    unique = dict.fromkeys(bindings)
    lines += ["bindings:", *(f"  - '{a}[\"{key}\"] -> {b}'" for a, key, b in unique)]
    picture = lay_out(drawing_of(loads("\n".join(lines) + "\n")))
    check_layout(picture)


def test_the_limit_of_arrows_is_laid_out_in_seconds() -> None:
    count = MAX_ARROWS // 5
    text = (
        "exchanges: {" + ", ".join(f"e{i}: topic" for i in range(40)) + "}\n"
        "queues: [" + ", ".join(f"q{i}" for i in range(count)) + "]\n"
        "bindings:\n"
        + "".join(f"  - e{i * j % 40}[k{j}] -> q{i}\n" for i in range(count) for j in (1, 2, 3, 7))
    )
    begin = time.process_time()
    assert loads(text).draw("svg")
    assert time.process_time() - begin < 20
