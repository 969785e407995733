"""A broker made from a topology file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import leveret
from leveret.errors import AccessRefused, NotAllowed, TopologyError

if TYPE_CHECKING:
    from pathlib import Path

SHOP = """\
version: 1
compatibility: "3.10"
exchanges:
  orders: {type: topic, alternate: unrouted}
  unrouted: fanout
queues:
  billing: {ttl: 1m, dead_letter: true}
  shipping: {max_priority: 5}
  lost: {}
bindings:
  - orders[order.created.#] -> billing
  - orders[order.*.packed] -> shipping
  - unrouted -> lost
policies:
  cap: {pattern: "^lost$", apply_to: queues, priority: 1, definition: {max-length: 1}}
virtual_hosts:
  tenant: {queues: [q]}
users:
  svc:
    password: secret
    permissions: {"/": {configure: "^$", write: "^orders$", read: "^billing$"}}
"""


@pytest.fixture
def shop(tmp_path: Path) -> leveret.Broker:
    """Return a broker made from `SHOP`."""
    path = tmp_path / "shop.yaml"
    path.write_text(SHOP, encoding="utf-8")
    return leveret.Broker.from_file(path, clock=leveret.ManualClock())


def test_messages_take_the_routes_that_the_file_says(shop: leveret.Broker) -> None:
    for key in ("order.created.eu", "order.7.packed", "nothing.known"):
        shop.basic_publish("orders", key, key)
    bodies = [shop.basic_get(queue)[2] for queue in ("billing", "shipping", "lost")]
    assert bodies == [b"order.created.eu", b"order.7.packed", b"nothing.known"]
    shop.check()


def test_times_run_on_the_clock_that_was_given(shop: leveret.Broker) -> None:
    shop.basic_publish("orders", "order.created.eu", "m")
    assert isinstance(shop.clock, leveret.ManualClock)
    shop.clock.advance(seconds=60)
    _, properties, body = shop.basic_get("billing.dlq")
    assert body == b"m"
    assert properties is not None
    assert properties.headers is not None
    assert properties.headers["x-first-death-queue"] == "billing"


def test_policies_hold(shop: leveret.Broker) -> None:
    for body in ("1", "2"):
        shop.basic_publish("unrouted", "", body)
    assert shop.queue_declare("lost", passive=True).message_count == 1


def test_users_may_do_what_the_file_says(shop: leveret.Broker) -> None:
    channel = shop.connect(user="svc").channel()
    channel.basic_publish("orders", "order.created.eu", "m")
    assert channel.basic_get("billing")[2] == b"m"
    with pytest.raises(AccessRefused):
        channel.queue_declare("mine")
    with pytest.raises(NotAllowed):
        shop.connect("tenant", user="svc")
    assert shop.users["svc"].verify("secret")


def test_virtual_hosts_are_there_for_guest_too(shop: leveret.Broker) -> None:
    assert shop.channel("tenant").queue_declare("q", passive=True).message_count == 0


def test_the_profile_is_the_files_unless_another_is_given(
    shop: leveret.Broker, tmp_path: Path
) -> None:
    assert shop.profile.version == "3.10"
    other = leveret.Broker.from_file(tmp_path / "shop.yaml", profile="4.3")
    assert other.profile.version == "4.3"


def test_what_the_broker_refuses_is_a_fault_at_its_place_and_all_come_at_once(
    tmp_path: Path,
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(
        "version: 1\n"
        "exchanges: {h: headers}\n"
        "queues:\n"
        "  long: {arguments: {x-max-length: -1}}\n"
        "  fine: {}\n"
        "  fast: {ttl: 11000d}\n"
        "bindings:\n"
        "  - {source: h, destination: fine, match: {x-match: bad}}\n",
        encoding="utf-8",
    )
    with pytest.raises(TopologyError) as caught:
        leveret.Broker.from_file(path)
    places = [(fault.position.line, fault.message) for fault in caught.value.faults]
    assert [line for line, _ in places] == [4, 6, 8]
    assert "invalid arg 'x-max-length' for queue 'long' in vhost '/'" in places[0][1]
    assert "invalid arg 'x-message-ttl' for queue 'fast' in vhost '/'" in places[1][1]
    assert 'Invalid x-match field value <<"bad">>' in places[2][1]


def test_a_file_that_cannot_be_read_is_a_fault_too(tmp_path: Path) -> None:
    with pytest.raises(TopologyError, match=r"none\.yaml:1:1: error: the file does not exist"):
        leveret.Broker.from_file(tmp_path / "none.yaml")
