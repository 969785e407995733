"""A difference as a picture: what is done to each box and arrow."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from leveret.config import loads
from leveret.config.draw import FORMATS, draw_difference
from leveret.config.draw_diff import difference_drawing
from leveret.config.draw_parts import TooLargeToDrawError

if TYPE_CHECKING:
    from leveret.config.draw_graph import Drawing

PRESENT = """\
exchanges: {orders: topic, audit: fanout}
queues: {billing: {max_length: 5}, shipping: {}, old: {}}
bindings:
  - orders[a, b] -> billing
  - orders[c] -> shipping
  - audit -> old
virtual_hosts: {gone: {queues: [q], bindings: [amq.topic -> q]}}
"""
WANTED = """\
exchanges: {orders: topic, audit: fanout}
queues: {billing: {max_length: 9}, shipping: {}, new: {}}
bindings:
  - orders[a, z] -> billing
  - orders[c] -> shipping
  - audit -> new
"""


def difference() -> Drawing:
    return difference_drawing(loads(WANTED, "wanted.yaml"), loads(PRESENT, "present.yaml"))


def test_each_box_shows_what_is_done_to_it_and_what_stays_is_dim() -> None:
    boxes = difference().hosts[0].boxes.values()
    assert {box.name: (box.action, box.lit) for box in boxes} == {
        "orders": (None, False),
        "audit": (None, False),
        "billing": ("recreate", None),
        "shipping": (None, False),
        "old": ("extra", None),
        "new": ("create", None),
    }


def test_each_arrow_shows_the_keys_that_come_and_go() -> None:
    arrows = {arrow.target[1]: arrow for arrow in difference().hosts[0].arrows}
    assert (arrows["billing"].action, arrows["billing"].label) == ("replace", ["+ z", "– b", "a"])
    assert (arrows["shipping"].action, arrows["shipping"].lit) == (None, False)
    assert arrows["new"].action == "create"
    assert arrows["old"].action == "extra"


def test_arrows_go_with_their_boxes() -> None:
    """What is bound to a queue made anew is bound again; dead letters come with their queue."""
    before = "queues: {work: {}}\nbindings: ['amq.topic[a] -> work']\n"
    after = before.replace("{}", "{max_length: 5, dead_letter: true}")
    drawing = difference_drawing(loads(after), loads(before))
    assert {arrow.target[1]: arrow.action for arrow in drawing.hosts[0].arrows} == {
        "work": "recreate",
        "work.dlx": "create",
        "work.dlq": "create",
    }


def test_a_virtual_host_that_is_not_wanted_is_extra_with_all_that_is_in_it() -> None:
    host = difference().hosts[1]
    assert {box.action for box in host.boxes.values() if box.kind == "queue"} == {"extra"}
    assert [arrow.action for arrow in host.arrows] == ["extra"]


@pytest.mark.parametrize("format_", FORMATS)
def test_it_is_drawn_in_every_format(format_: str) -> None:
    picture = draw_difference(loads(WANTED), loads(PRESENT), format_)  # type: ignore[arg-type]
    assert picture
    if format_ == "svg":
        texts = [element.text for element in ET.fromstring(str(picture)).iter() if element.text]
        assert "– b" in texts
        assert {"to create", "to recreate", "to bind anew", "extra", "stays as it is"} <= set(texts)
    if format_ == "mermaid":
        assert ":::recreate" in str(picture)
        assert "linkStyle 0 stroke:#a97f08,stroke-width:2px" in str(picture)


def large(number: int, last_key: str) -> str:
    queues = ", ".join(f"q{i}" for i in range(number))
    bindings = "".join(f"  - amq.topic[k] -> q{i}\n" for i in range(number - 1))
    last = f"  - amq.topic[{last_key}] -> q{number - 1}\n"
    return f"queues: [{queues}]\nbindings:\n{bindings}{last}"


def test_of_what_is_too_large_only_the_changes_are_drawn() -> None:
    drawing = difference_drawing(loads(large(600, "new")), loads(large(600, "old")))
    assert [box.name for box in drawing.hosts[0].boxes.values()] == ["q599", "amq.topic"]
    assert drawing.arrows == 1


def test_more_changes_than_a_picture_holds_are_left_to_the_text() -> None:
    with pytest.raises(TooLargeToDrawError, match="Read the difference as text"):
        draw_difference(loads(large(600, "k")), loads("queues: [a]\n"), "svg")
