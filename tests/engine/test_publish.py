"""Publishing: where a message goes, when it comes back, what is refused.

Statements: S24 S26 S27 S33 S34 S37 S38 S56 S57 S59 S60 S66 S67 S68 S117.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from leveret import Properties
from leveret.engine import Permission, Policy, User

if TYPE_CHECKING:
    from tests.engine.conftest import Make, Rig

    from leveret import Channel


def test_s24_a_queue_is_reached_by_its_name_at_once(broker: Rig, channel: Channel) -> None:
    channel.queue_declare("q")
    channel.basic_publish("", "q", "m", mandatory=True)
    got = broker.get(channel, "q")
    assert (got.exchange, got.routing_key, got.body) == ("", "q", "m")


def test_s24_a_name_that_is_missing_is_unroutable(broker: Rig, channel: Channel) -> None:
    returns = broker.returns(channel)
    channel.basic_publish("", "none", "m", mandatory=True)
    assert returns == [(312, "NO_ROUTE", "", "none", "m")]
    assert channel.is_open


@pytest.mark.parametrize("mandatory", [True, False])
def test_s26_publishing_to_a_missing_exchange(
    broker: Rig, channel: Channel, mandatory: bool
) -> None:
    with broker.refusing(channel, 404, "no exchange 'x' in vhost '/'", "basic.publish"):
        channel.basic_publish("x", "k", "m", mandatory=mandatory)


def test_s26_also_after_it_was_published_to_and_then_deleted(broker: Rig, channel: Channel) -> None:
    channel.exchange_declare("x")
    channel.basic_publish("x", "k", "m")
    channel.exchange_delete("x")
    with broker.refusing(channel, 404, "no exchange 'x' in vhost '/'", "basic.publish"):
        channel.basic_publish("x", "k", "m")


def test_s27_an_internal_exchange_takes_messages_from_exchanges_alone(
    broker: Rig, channel: Channel
) -> None:
    channel.queue_declare("q")
    channel.exchange_declare("inside", "fanout", internal=True)
    channel.exchange_bind("inside", "amq.direct", "k")
    channel.queue_bind("q", "inside")
    channel.basic_publish("amq.direct", "k", "m")
    assert broker.drain("q") == ["m"]
    text = "cannot publish to internal exchange 'inside' in vhost '/'"
    with broker.refusing(channel, 403, text, "basic.publish"):
        channel.basic_publish("inside", "k", "m")


def test_s33_one_copy_by_many_paths(broker: Rig, channel: Channel) -> None:
    channel.queue_declare("q")
    for key in ("a.#", "#.b", "a.b"):
        channel.queue_bind("q", "amq.topic", key)
    channel.exchange_bind("amq.fanout", "amq.topic", "#")
    channel.queue_bind("q", "amq.fanout")
    channel.basic_publish("amq.topic", "a.b", "m")
    assert broker.drain("q") == ["m"]


def test_s34_a_cycle_of_exchanges_ends(broker: Rig, channel: Channel) -> None:
    for name in ("a", "b"):
        channel.exchange_declare(name, "fanout")
        channel.queue_declare(f"q{name}")
        channel.queue_bind(f"q{name}", name)
    channel.exchange_bind("b", "a")
    channel.exchange_bind("a", "b")
    channel.basic_publish("a", "", "m")
    assert (broker.drain("qa"), broker.drain("qb")) == (["m"], ["m"])


# -- alternate exchanges


def test_s37_an_alternate_exchange_takes_what_finds_nothing_and_counts_as_routed(
    broker: Rig, channel: Channel
) -> None:
    returns = broker.returns(channel)
    channel.exchange_declare("x", arguments={"alternate-exchange": "amq.fanout"})
    channel.queue_declare("hit")
    channel.queue_declare("missed")
    channel.queue_bind("hit", "x", "k")
    channel.queue_bind("missed", "amq.fanout")
    channel.basic_publish("x", "k", "1", mandatory=True)
    channel.basic_publish("x", "other", "2", mandatory=True)
    assert (broker.drain("hit"), returns) == (["1"], [])
    [got] = broker.drained("missed")
    assert (got.exchange, got.routing_key, got.body) == ("x", "other", "2")


def test_s37_a_missing_alternate_exchange_is_passed_over(broker: Rig, channel: Channel) -> None:
    returns = broker.returns(channel)
    channel.exchange_declare("x", arguments={"alternate-exchange": "none"})
    channel.basic_publish("x", "k", "1")
    channel.basic_publish("x", "k", "2", mandatory=True)
    assert returns == [(312, "NO_ROUTE", "x", "k", "2")]


def test_s37_a_circle_of_alternate_exchanges_ends(broker: Rig, channel: Channel) -> None:
    returns = broker.returns(channel)
    channel.exchange_declare("a", arguments={"alternate-exchange": "b"})
    channel.exchange_declare("b", arguments={"alternate-exchange": "a"})
    channel.basic_publish("a", "k", "m", mandatory=True)
    assert returns == [(312, "NO_ROUTE", "a", "k", "m")]


def test_s38_the_default_exchange_has_no_alternate_by_policy(broker: Rig, channel: Channel) -> None:
    channel.queue_declare("q")
    channel.queue_bind("q", "amq.fanout")
    policy = Policy("alternate", ".*", {"alternate-exchange": "amq.fanout"}, "exchanges")
    broker.virtual_hosts["/"].set_policy(policy)
    returns = broker.returns(channel)
    channel.basic_publish("", "none", "1", mandatory=True)
    assert returns == [(312, "NO_ROUTE", "", "none", "1")]
    channel.basic_publish("amq.direct", "none", "2", mandatory=True)
    assert broker.drain("q") == ["2"]


# -- CC and BCC

# (case, headers, headers as delivered, bodies in a, b and c for a message published to a)
COPIES: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("S56 CC stays", {"CC": ["b"], "z": 1}, {"CC": ["b"], "z": 1}, "ab"),
    ("S56 BCC goes", {"BCC": ["b"], "z": 1}, {"z": 1}, "ab"),
    ("S56 BCC alone leaves an empty table", {"BCC": ["b"]}, {}, "ab"),
    ("S56 one copy each", {"CC": ["a", "b"], "BCC": ["b", "c"]}, {"CC": ["a", "b"]}, "abc"),
    ("S56 nothing", {"CC": []}, {"CC": []}, "a"),
    ("S56 live: what is no string is no key", {"CC": [1, "b"]}, {"CC": [1, "b"]}, "ab"),
    ("S56 live: names are upper case", {"cc": ["b"]}, {"cc": ["b"]}, "a"),
]


@pytest.mark.parametrize("profile", ["3.10", "4.2"])
@pytest.mark.parametrize(
    ("sent", "delivered", "queues"), [case[1:] for case in COPIES], ids=[c[0] for c in COPIES]
)
def test_copies(
    make: Make, profile: str, sent: dict[str, Any], delivered: dict[str, Any], queues: str
) -> None:
    broker = make(profile)
    for name in "abc":
        broker.queue_declare(name)
    broker.put("a", "m", headers=sent)
    for name in "abc":
        got = broker.drained(name)
        assert len(got) == (name in queues)
        for one in got:
            assert one.properties.headers == delivered
            assert one.routing_key == "a"


@pytest.mark.parametrize("exchange", ["amq.direct", "amq.topic", "amq.fanout"])
def test_s56_any_exchange_type_takes_them(broker: Rig, channel: Channel, exchange: str) -> None:
    channel.queue_declare("q")
    channel.queue_bind("q", exchange, "a.b")
    properties = Properties(headers={"BCC": ["a.b"], "CC": ["a.b"]})
    channel.basic_publish(exchange, "other", "m", properties)
    [got] = broker.drained("q")
    assert (got.routing_key, got.headers) == ("other", {"CC": ["a.b"]})


@pytest.mark.parametrize(
    ("header", "value", "kind"),
    [
        ("CC", "b", "longstr"),
        ("BCC", "b", "longstr"),
        ("BCC", {}, "table"),
        ("CC", None, "void"),
    ],
)
def test_s56_they_must_be_arrays(
    broker: Rig, channel: Channel, header: str, value: Any, kind: str
) -> None:
    text = f'invalid message: {{unacceptable_type_in_header,"{header}",{kind}}}'
    with broker.refusing(channel, 406, text, "basic.publish"):
        channel.basic_publish("", "a", "m", Properties(headers={header: value}))


# -- mandatory and immediate


def test_s57_an_unroutable_mandatory_message_comes_back_whole(
    broker: Rig, channel: Channel
) -> None:
    seen: list[tuple[Any, ...]] = []
    channel.add_on_return_callback(lambda *arguments: seen.append(arguments))
    properties = Properties(headers={"a": 1}, message_id="7", expiration="5")
    channel.basic_publish("amq.direct", "k", b"body", properties, mandatory=True)
    [(where, method, returned, body)] = seen
    assert where is channel
    assert (method.reply_code, method.reply_text) == (312, "NO_ROUTE")
    assert (method.exchange, method.routing_key) == ("amq.direct", "k")
    assert (returned, body) == (properties, b"body")


def test_s57_without_mandatory_it_is_dropped(broker: Rig, channel: Channel) -> None:
    returns = broker.returns(channel)
    channel.basic_publish("amq.direct", "k", "m")
    assert returns == []


def test_s59_routed_counts_even_where_nothing_is_kept(broker: Rig, channel: Channel) -> None:
    returns = broker.returns(channel)
    channel.queue_declare("q", arguments={"x-message-ttl": 0})
    channel.queue_declare("full", arguments={"x-max-length": 0, "x-overflow": "reject-publish"})
    channel.basic_publish("", "q", "m", mandatory=True)
    channel.basic_publish("", "full", "m", mandatory=True)
    assert (returns, broker.depth("q"), broker.depth("full")) == ([], 0, 0)


@pytest.mark.parametrize("exchange", ["", "none"])
def test_s60_immediate_is_not_implemented(broker: Rig, channel: Channel, exchange: str) -> None:
    with broker.refusing(channel, 540, "immediate=true", "basic.publish"):
        channel.basic_publish(exchange, "q", "m", immediate=True)


# -- properties

EXPIRATIONS = [
    ("-1", "{value_negative,-1}"),
    ("abc", "no_integer"),
    ("", "no_integer"),
    (" 1", "no_integer"),
    ("٣", "no_integer"),
    ("1 ", '{leftover_string," "}'),
    ("10000foobar", '{leftover_string,"foobar"}'),
    ("1.5", '{leftover_string,".5"}'),
    ("1099511627776", "{value_too_large,1099511627776}"),
]


@pytest.mark.parametrize("profile", ["3.10", "4.2"])
@pytest.mark.parametrize(("expiration", "why"), EXPIRATIONS)
def test_s66_an_expiration_that_is_no_time(
    make: Make, profile: str, expiration: str, why: str
) -> None:
    broker = make(profile)
    channel = broker.channel()
    text = f"invalid expiration '{expiration}': {why}"
    with broker.refusing(channel, 406, text, "basic.publish"):
        channel.basic_publish("", "q", "m", Properties(expiration=expiration))


@pytest.mark.parametrize("expiration", ["0", "007", "+5", "8589934592"])
def test_s66_an_expiration_that_is_taken(channel: Channel, expiration: str) -> None:
    channel.basic_publish("", "q", "m", Properties(expiration=expiration))


@pytest.mark.parametrize("user_id", ["bob", ""])
def test_s67_a_message_in_somebody_elses_name(broker: Rig, channel: Channel, user_id: str) -> None:
    text = f"user_id property set to '{user_id}' but authenticated user was 'guest'"
    with broker.refusing(channel, 406, text, "basic.publish"):
        channel.basic_publish("", "q", "m", Properties(user_id=user_id))


def test_s67_ones_own_name_is_fine_and_an_impersonator_may_use_any(broker: Rig) -> None:
    broker.queue_declare("q")
    broker.put("q", "1", user_id="guest")
    broker.users.add(User("proxy", tags=frozenset({"impersonator"})))
    broker.users.set_permission("proxy", "/", Permission())
    channel = broker.connect(user="proxy").channel()
    channel.basic_publish("", "q", "2", Properties(user_id="bob"))
    assert [got.properties.user_id for got in broker.drained("q")] == ["guest", "bob"]


@pytest.mark.parametrize(
    ("profile", "mib"), [("3.10", 128), ("3.13", 128), ("4.2", 16), ("4.3", 16)]
)
def test_s68_a_body_beyond_the_profiles_limit(make: Make, profile: str, mib: int) -> None:
    class Huge(bytes):
        """A body that says it is longer than it is, to spare the memory."""

        def __len__(self) -> int:
            return mib * 1024 * 1024 + 1

    broker = make(profile)
    channel = broker.channel()
    size = mib * 1024 * 1024
    text = f"message size {size + 1} is larger than max size {size}"
    with broker.refusing(channel, 406, text, "basic.publish"):
        channel.basic_publish("", "q", Huge(b""))


@pytest.mark.parametrize("mode", [0, 3, 255])
def test_seen_live_a_delivery_mode_that_does_not_exist(old_broker: Rig, mode: int) -> None:
    channel = old_broker.channel()
    text = f"invalid message: {{delivery_mode_unknown,{mode}}}"
    with old_broker.refusing(channel, 406, text, "basic.publish"):
        channel.basic_publish("", "q", "m", Properties(delivery_mode=mode))


# (what comes first, exchange, properties, code, text)
ORDERS: list[tuple[str, str, Properties, int, str]] = [
    (
        "the exchange before properties",
        "none",
        Properties(expiration="x", user_id="bob", headers={"CC": 1}),
        404,
        "no exchange 'none' in vhost '/'",
    ),
    (
        "internal before properties",
        "inside",
        Properties(expiration="x"),
        403,
        "cannot publish to internal exchange 'inside' in vhost '/'",
    ),
    (
        "S117 reply-to before user_id and expiration",
        "",
        Properties(reply_to="amq.rabbitmq.reply-to", user_id="bob", expiration="x"),
        406,
        "fast reply consumer does not exist",
    ),
    (
        "S67 user_id before expiration",
        "",
        Properties(user_id="bob", expiration="x"),
        406,
        "user_id property set to 'bob' but authenticated user was 'guest'",
    ),
    (
        "S66 expiration before CC",
        "",
        Properties(expiration="x", headers={"CC": "a"}),
        406,
        "invalid expiration 'x': no_integer",
    ),
]


@pytest.mark.parametrize(
    ("exchange", "properties", "code", "text"), [c[1:] for c in ORDERS], ids=[c[0] for c in ORDERS]
)
def test_seen_live_what_is_refused_first(
    old_broker: Rig, exchange: str, properties: Properties, code: int, text: str
) -> None:
    channel = old_broker.channel()
    channel.exchange_declare("inside", internal=True)
    with old_broker.refusing(channel, code, text, "basic.publish"):
        channel.basic_publish(exchange, "q", "m", properties)
