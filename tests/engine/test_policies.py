"""Policies and how they merge with arguments.

Statements: S37 S91 S92 S100.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from leveret.engine import Policy

if TYPE_CHECKING:
    from tests.engine.conftest import Make, Rig

    from leveret import Channel
    from leveret.queues import QueueSettings


def set_policy(
    broker: Rig,
    definition: dict[str, Any],
    *,
    name: str = "p",
    pattern: str = "^q",
    apply_to: Any = "all",
    priority: int = 0,
    operator: bool = False,
) -> None:
    """Set a policy of the virtual host `/`."""
    policy = Policy(name, pattern, definition, apply_to, priority)
    broker.virtual_hosts["/"].set_policy(policy, operator=operator)


def settings(broker: Rig, queue: str = "q") -> QueueSettings:
    """Return what is in force for a queue."""
    return broker.virtual_hosts["/"].queues[queue].settings


# -- arguments, policy, operator policy

# (case, arguments, policy, operator policy, setting, value in force)
MERGES: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any], str, Any]] = [
    ("S100 argument alone", {"x-max-length": 5}, {}, {}, "max_length", 5),
    ("S100 policy alone", {}, {"max-length": 5}, {}, "max_length", 5),
    ("S100 smaller policy", {"x-max-length": 5}, {"max-length": 2}, {}, "max_length", 2),
    ("S100 smaller argument", {"x-max-length": 5}, {"max-length": 9}, {}, "max_length", 5),
    ("S100 operator alone", {}, {}, {"max-length": 4}, "max_length", 4),
    (
        "S100 operator caps",
        {"x-max-length": 9},
        {"max-length": 7},
        {"max-length": 4},
        "max_length",
        4,
    ),
    ("S100 operator above", {}, {"max-length": 2}, {"max-length": 4}, "max_length", 2),
    ("S100 TTL", {"x-message-ttl": 5}, {"message-ttl": 3}, {}, "message_ttl_ms", 3),
    ("S100 expires", {"x-expires": 5}, {"expires": 9}, {}, "expires_ms", 5),
    (
        "S100 bytes",
        {"x-max-length-bytes": 5},
        {"max-length-bytes": 9},
        {"max-length-bytes": 1},
        "max_length_bytes",
        1,
    ),
    (
        "S100 dead-letter exchange: the argument",
        {"x-dead-letter-exchange": "a"},
        {"dead-letter-exchange": "b"},
        {},
        "dead_letter_exchange",
        "a",
    ),
    (
        "S100 dead-letter key: the policy where there is no argument",
        {"x-dead-letter-exchange": "a"},
        {"dead-letter-routing-key": "k"},
        {},
        "dead_letter_routing_key",
        "k",
    ),
    (
        "S100 overflow: the argument",
        {"x-overflow": "reject-publish"},
        {"overflow": "drop-head"},
        {},
        "overflow",
        "reject-publish",
    ),
]


@pytest.mark.parametrize("profile", ["3.10", "4.2"])
@pytest.mark.parametrize("before", [True, False], ids=["set before", "set after"])
@pytest.mark.parametrize(
    ("arguments", "policy", "operator", "setting", "value"),
    [case[1:] for case in MERGES],
    ids=[case[0] for case in MERGES],
)
def test_what_is_in_force(
    make: Make,
    profile: str,
    before: bool,
    arguments: dict[str, Any],
    policy: dict[str, Any],
    operator: dict[str, Any],
    setting: str,
    value: Any,
) -> None:
    broker = make(profile)
    if not before:
        broker.queue_declare("q", arguments=arguments)
    if policy:
        set_policy(broker, policy)
    if operator:
        set_policy(broker, operator, operator=True)
    if before:
        broker.queue_declare("q", arguments=arguments)
    assert getattr(settings(broker), setting) == value


# -- which policy applies


def test_s100_only_the_policy_of_highest_priority_applies(broker: Rig) -> None:
    broker.queue_declare("q")
    set_policy(broker, {"max-length": 1}, name="low", priority=1)
    set_policy(broker, {"message-ttl": 9}, name="high", priority=2)
    assert (settings(broker).max_length, settings(broker).message_ttl_ms) == (None, 9)
    broker.virtual_hosts["/"].clear_policy("high")
    assert (settings(broker).max_length, settings(broker).message_ttl_ms) == (1, None)
    broker.virtual_hosts["/"].clear_policy("low")
    broker.virtual_hosts["/"].clear_policy("none")
    assert settings(broker).max_length is None


@pytest.mark.parametrize(
    ("pattern", "apply_to", "applies"),
    [
        ("^q$", "all", True),
        ("^q$", "queues", True),
        ("^q$", "classic_queues", True),
        ("^q$", "quorum_queues", False),
        ("^q$", "exchanges", False),
        ("", "queues", True),
        ("other", "all", False),
        ("^$", "all", False),
    ],
)
def test_s100_a_policy_applies_by_name_and_kind(
    broker: Rig, pattern: str, apply_to: str, applies: bool
) -> None:
    broker.queue_declare("q")
    set_policy(broker, {"max-length": 1}, pattern=pattern, apply_to=apply_to)
    assert (settings(broker).max_length == 1) is applies


def test_s100_a_pattern_is_looked_for_anywhere_in_the_name(broker: Rig) -> None:
    broker.queue_declare("my.queue")
    set_policy(broker, {"max-length": 1}, pattern="que")
    assert settings(broker, "my.queue").max_length == 1


def test_a_policy_with_a_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="the pattern of policy 'p' is not a regular expression"):
        Policy("p", "(", {"max-length": 1})
    with pytest.raises(ValueError, match="apply_to is 'queue'; it takes one of all, queues"):
        Policy("p", "", {"max-length": 1}, "queue")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("definition", "text"),
    [
        ({}, "no policy provided"),
        ({"max-length": -1}, "-1 is not a valid maximum length"),
        ({"max-length": "x"}, '<<"x">> is not a valid maximum length'),
        ({"max-length-bytes": -5}, "-5 is not a valid maximum length in bytes"),
        ({"message-ttl": -1}, "-1 is not a valid message TTL"),
        ({"expires": 0}, "0 is not a valid queue expiry"),
        ({"overflow": "x"}, '<<"x">> is not a valid overflow value'),
        ({"queue-mode": "x"}, '<<"x">> is not a valid queue-mode value'),
        ({"alternate-exchange": 5}, "5 is not a valid alternate exchange name"),
        ({"dead-letter-exchange": 5}, "5 is not a valid dead letter exchange name"),
        ({"max_length": 5}, "'max_length' is not a recognised policy setting; did you mean"),
        ({"bogus": 1}, "'bogus' is not a recognised policy setting"),
    ],
)
def test_seen_live_a_definition_that_is_refused(definition: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        Policy("p", "", definition)


def test_settings_of_clusters_are_taken_and_mean_nothing(broker: Rig) -> None:
    broker.queue_declare("q")
    set_policy(broker, {"ha-mode": "all", "max-length": 3})
    assert settings(broker).max_length == 3


# -- what it does to what exists


@pytest.mark.parametrize("profile", ["3.10", "4.2"])
def test_s100_a_length_limit_acts_on_messages_that_wait(make: Make, profile: str) -> None:
    broker = make(profile)
    broker.queue_declare("dead")
    broker.queue_declare("q", arguments={"x-max-length": 5, "x-dead-letter-exchange": ""})
    broker.put("q", *"01234")
    set_policy(broker, {"max-length": 2, "dead-letter-routing-key": "dead"})
    assert broker.depth("q") == 2
    assert broker.drain("dead") == ["0", "1", "2"]
    broker.put("q", "5")
    assert broker.drain("q") == ["4", "5"]


@pytest.mark.parametrize("profile", ["3.10", "4.2"])
@pytest.mark.parametrize("operator", [True, False])
def test_s91_seen_live_a_time_to_live_holds_for_messages_published_after_it(
    make: Make, profile: str, operator: bool
) -> None:
    """S91 says otherwise; its own source (policy_SUITE) and the live broker say this."""
    broker = make(profile)
    broker.queue_declare("q")
    broker.put("q", "old")
    set_policy(broker, {"message-ttl": 1}, operator=operator)
    broker.advance(seconds=60)
    assert broker.depth("q") == 1
    broker.put("q", "new")
    broker.advance(seconds=60)
    assert broker.depth("q") == 2
    assert broker.drain("q") == ["old"]
    broker.put("q", "newer")
    broker.advance(ms=1)
    assert broker.depth("q") == 0


def test_s92_a_lease_begins_when_the_policy_is_set(broker: Rig) -> None:
    broker.queue_declare("q")
    broker.advance(seconds=60)
    set_policy(broker, {"expires": 100})
    broker.advance(ms=99)
    assert broker.exists("q")
    broker.advance(ms=1)
    assert not broker.exists("q")


def test_s92_and_ends_with_the_policy(broker: Rig) -> None:
    broker.queue_declare("q")
    set_policy(broker, {"expires": 100})
    broker.virtual_hosts["/"].clear_policy("p")
    broker.advance(seconds=60)
    assert broker.exists("q")


def test_s37_an_alternate_exchange_by_policy(broker: Rig, channel: Channel) -> None:
    broker.queue_declare("q")
    broker.queue_bind("q", "amq.fanout")
    broker.exchange_declare("x")
    returns = broker.returns(channel)
    channel.basic_publish("x", "k", "0", mandatory=True)
    set_policy(broker, {"alternate-exchange": "amq.fanout"}, pattern="^x$", apply_to="exchanges")
    channel.basic_publish("x", "k", "1", mandatory=True)
    broker.virtual_hosts["/"].clear_policy("p")
    channel.basic_publish("x", "k", "2", mandatory=True)
    assert [entry[-1] for entry in returns] == ["0", "2"]
    assert broker.drain("q") == ["1"]


def test_s37_the_argument_wins_over_the_policy(broker: Rig, channel: Channel) -> None:
    for name, exchange in (("a", "amq.fanout"), ("b", "amq.direct")):
        broker.queue_declare(name)
        broker.queue_bind(name, exchange, "k")
    broker.exchange_declare("x", arguments={"alternate-exchange": "amq.fanout"})
    set_policy(broker, {"alternate-exchange": "amq.direct"}, pattern="^x$")
    channel.basic_publish("x", "k", "m")
    assert (broker.drain("a"), broker.drain("b")) == (["m"], [])
