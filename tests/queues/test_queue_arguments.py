"""Arguments of queues and consumers: each refusal in RabbitMQ's words, as seen live."""

from __future__ import annotations

import datetime
import decimal
from typing import TYPE_CHECKING

import pytest

from leveret import Broker, ManualClock
from leveret.deduplication import DEDUPLICATION_CHECKS
from leveret.errors import PreconditionFailed
from leveret.queues.arguments import (
    assert_equal,
    assert_same_arguments,
    check_arguments,
    check_consumer_arguments,
    known_arguments,
    queue_type,
)
from leveret.queues.rules import QueueRules

if TYPE_CHECKING:
    from leveret.properties import FieldTable, FieldValue

Q = "queue 'q' in vhost '/'"
CLASSIC = f"{Q} of queue type rabbit_classic_queue"
QUORUM = f"{Q} of queue type rabbit_quorum_queue"

#: A value of every type -> RabbitMQ's name for it.
OF_EVERY_TYPE: list[tuple[FieldValue, str]] = [
    (5, "signedint"),
    (2**31, "long"),
    ("x", "longstr"),
    ("", "longstr"),
    (True, "bool"),
    (None, "void"),
    ([1], "array"),
    ({"a": 1}, "table"),
    (b"x", "binary"),
    (1.5, "double"),
    (datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC), "timestamp"),
    (decimal.Decimal("1.5"), "decimal"),
]

INTEGERS = [
    "x-message-ttl",
    "x-expires",
    "x-max-length",
    "x-max-length-bytes",
    "x-max-priority",
    "x-queue-version",
]
STRINGS = ["x-overflow", "x-queue-mode", "x-queue-type", "x-dead-letter-routing-key"]

#: Arguments, the one refused, and the reason.
REFUSED: list[tuple[FieldTable, str, str]] = [
    # S15
    ({"x-expires": 0}, "x-expires", "{value_zero,0}"),
    ({"x-expires": -1}, "x-expires", "{value_negative,-1}"),
    ({"x-expires": 2**40}, "x-expires", "{value_too_large,1099511627776}"),
    ({"x-message-ttl": -1}, "x-message-ttl", "{value_negative,-1}"),
    ({"x-message-ttl": 2**40}, "x-message-ttl", "{value_too_large,1099511627776}"),
    ({"x-message-ttl": 315_360_000_001}, "x-message-ttl", "{value_too_large,315360000001}"),
    ({"x-max-length": -1}, "x-max-length", "{value_negative,-1}"),
    ({"x-max-length-bytes": -1}, "x-max-length-bytes", "{value_negative,-1}"),
    # S16
    (
        {"x-dead-letter-routing-key": "k"},
        "x-dead-letter-routing-key",
        "routing_key_but_no_dlx_defined",
    ),
    # S17
    ({"x-max-priority": 256}, "x-max-priority", "{max_value_exceeded,256}"),
    ({"x-max-priority": -1}, "x-max-priority", "{value_negative,-1}"),
    ({"x-max-priority": "5"}, "x-max-priority", '"expected integer, got longstr"'),
    ({"x-overflow": "explode"}, "x-overflow", "invalid_overflow"),
    ({"x-overflow": ""}, "x-overflow", "invalid_overflow"),
    ({"x-queue-mode": "x"}, "x-queue-mode", "\"unsupported queue mode 'x'\""),
    ({"x-queue-type": "bogus"}, "x-queue-type", "\"unsupported queue type 'bogus'\""),
    ({"x-queue-version": 0}, "x-queue-version", "\"unsupported queue version '0'\""),
    ({"x-queue-version": 5}, "x-queue-version", "\"unsupported queue version '5'\""),
    ({"x-queue-version": -1}, "x-queue-version", "{value_negative,-1}"),
    (
        {"x-single-active-consumer": "yes"},
        "x-single-active-consumer",
        "{unacceptable_type,longstr}",
    ),
    # Which fault is told where there are several, whatever the order of the table.
    ({"x-message-ttl": -1, "x-expires": 0}, "x-expires", "{value_zero,0}"),
    (
        {"x-max-length": -1, "x-max-priority": -1, "x-expires": -1},
        "x-expires",
        "{value_negative,-1}",
    ),
    ({"x-overflow": "z", "x-max-priority": 300}, "x-max-priority", "{max_value_exceeded,300}"),
    ({"x-expires": 0, "x-queue-type": "z"}, "x-queue-type", "\"unsupported queue type 'z'\""),
    # Quorum queues.
    (
        {"x-queue-type": "quorum", "x-message-ttl": "x"},
        "x-message-ttl",
        '"expected integer, got longstr"',
    ),
    (
        {"x-queue-type": "quorum", "x-dead-letter-strategy": "bad"},
        "x-dead-letter-strategy",
        "invalid_dlx_strategy",
    ),
    (
        {"x-queue-type": "quorum", "x-quorum-initial-group-size": 0},
        "x-quorum-initial-group-size",
        "{value_zero,0}",
    ),
]

ACCEPTED: list[FieldTable] = [
    {},
    *({"x-message-ttl": n} for n in (0, 1, 5, 2**31, 2**33, 315_360_000_000)),
    *({"x-expires": n} for n in (1, 2**31, 2**33)),
    *({"x-max-length": n} for n in (0, 5, 2**40)),
    *({"x-max-length-bytes": n} for n in (0, 5, 2**40)),
    *({"x-max-priority": n} for n in (0, 1, 255)),
    *({"x-overflow": o} for o in ("drop-head", "reject-publish", "reject-publish-dlx")),
    *({"x-queue-mode": m} for m in ("default", "lazy")),
    *({"x-queue-version": n} for n in (1, 2)),
    {"x-queue-type": "classic"},
    {"x-single-active-consumer": False},
    {"x-dead-letter-exchange": ""},
    {"x-dead-letter-exchange": "d", "x-dead-letter-routing-key": "k"},
    # Unknown to RabbitMQ, and so not its business.
    {"x-unknown": 1, "foo": {"a": 1}},
    *({"x-consumer-timeout": value} for value, _ in OF_EVERY_TYPE),
]

ACCEPTED_ON_QUORUM: list[FieldTable] = [
    {"x-delivery-limit": 3},
    {"x-delivery-limit": -1},
    {"x-delivery-limit": "x"},
    {"x-overflow": "reject-publish-dlx"},
    {"x-dead-letter-strategy": "at-least-once"},
    {"x-quorum-initial-group-size": 1},
    {"x-max-in-memory-length": 5},
    {"x-queue-leader-locator": "balanced"},
    {"x-single-active-consumer": True},
    {"x-expires": 60000, "x-message-ttl": 0, "x-max-length": 0},
]

#: Known to other queue types than this one (S18).
FOREIGN = {
    "classic": (
        "x-dead-letter-strategy",
        "x-delivery-limit",
        "x-quorum-initial-group-size",
        "x-max-in-memory-length",
        "x-max-in-memory-bytes",
        "x-max-age",
        "x-queue-leader-locator",
        "x-stream-max-segment-size-bytes",
        "x-initial-cluster-size",
    ),
    "quorum": (
        "x-max-priority",
        "x-queue-mode",
        "x-queue-version",
        "x-max-age",
        "x-queue-master-locator",
    ),
}


def refusal(arguments: FieldTable) -> str:
    with pytest.raises(PreconditionFailed) as caught:
        check_arguments(arguments, Q)
    return caught.value.reply_text


@pytest.mark.parametrize(("arguments", "name", "reason"), REFUSED, ids=repr)
def test_s15_s16_s17_a_bad_value_is_refused_with_its_reason(
    arguments: FieldTable, name: str, reason: str
) -> None:
    """S15, S16, S17."""
    assert refusal(arguments) == f"PRECONDITION_FAILED - invalid arg '{name}' for {Q}: {reason}"


@pytest.mark.parametrize("arguments", ACCEPTED, ids=repr)
def test_a_good_value_is_taken(arguments: FieldTable) -> None:
    check_arguments(arguments, Q)


@pytest.mark.parametrize("arguments", ACCEPTED_ON_QUORUM, ids=repr)
def test_a_good_value_for_a_quorum_queue_is_taken(arguments: FieldTable) -> None:
    check_arguments({"x-queue-type": "quorum", **arguments}, Q)


@pytest.mark.parametrize("name", INTEGERS)
@pytest.mark.parametrize(("value", "kind"), OF_EVERY_TYPE, ids=repr)
def test_where_an_integer_is_wanted_other_types_are_refused(
    name: str, value: FieldValue, kind: str
) -> None:
    if kind not in ("signedint", "long"):
        expected = f"invalid arg '{name}' for {Q}: \"expected integer, got {kind}\""
        assert refusal({name: value}) == f"PRECONDITION_FAILED - {expected}"


@pytest.mark.parametrize("name", STRINGS)
@pytest.mark.parametrize(("value", "kind"), OF_EVERY_TYPE, ids=repr)
def test_where_a_string_is_wanted_other_types_are_refused(
    name: str, value: FieldValue, kind: str
) -> None:
    if kind != "longstr":
        expected = f"invalid arg '{name}' for {Q}: {{unacceptable_type,{kind}}}"
        assert refusal({name: value}) == f"PRECONDITION_FAILED - {expected}"


@pytest.mark.parametrize(("value", "kind"), OF_EVERY_TYPE, ids=repr)
def test_where_a_boolean_is_wanted_other_types_are_refused(value: FieldValue, kind: str) -> None:
    if kind != "bool":
        expected = f"invalid arg 'x-single-active-consumer' for {Q}: {{unacceptable_type,{kind}}}"
        assert refusal({"x-single-active-consumer": value}) == f"PRECONDITION_FAILED - {expected}"


@pytest.mark.parametrize(("value", "kind"), OF_EVERY_TYPE, ids=repr)
def test_a_dead_letter_exchange_that_is_no_name_is_refused_before_anything_else(
    value: FieldValue, kind: str
) -> None:
    """Seen live; `rabbit_channel` looks at this argument before the table of checks is run."""
    channel = Broker(clock=ManualClock(), seed=0).channel()
    arguments = {"x-expires": 0, "x-dead-letter-exchange": value}
    with pytest.raises(PreconditionFailed) as caught:
        channel.queue_declare("q", arguments=arguments)
    if kind == "longstr":
        expected = f"invalid arg 'x-expires' for {Q}: {{value_zero,0}}"
    else:
        expected = f"invalid type '{kind}' for arg 'x-dead-letter-exchange' in {Q}"
    assert caught.value.reply_text == f"PRECONDITION_FAILED - {expected}"


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, names in FOREIGN.items() for name in names]
)
@pytest.mark.parametrize("value", [1, "x", None], ids=repr)
def test_s18_an_argument_of_another_queue_type_is_refused_whatever_its_value(
    kind: str, name: str, value: FieldValue
) -> None:
    """S18."""
    where = {"classic": CLASSIC, "quorum": QUORUM}[kind]
    expected = f"PRECONDITION_FAILED - invalid arg '{name}' for {where}"
    assert refusal({"x-queue-type": kind, name: value}) == expected


def test_a_bad_value_is_told_before_a_foreign_argument() -> None:
    reason = refusal({"x-delivery-limit": 3, "x-expires": 0})
    assert reason.endswith("'x-expires' for queue 'q' in vhost '/': {value_zero,0}")


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({}, "classic"),
        ({"x-queue-type": "classic"}, "classic"),
        ({"x-queue-type": "quorum"}, "quorum"),
    ],
)
def test_a_queue_without_a_type_is_classic(arguments: FieldTable, kind: str) -> None:
    assert queue_type(arguments) == kind


# -- consumers


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"x-priority": "x"}, f"'x-priority' for {Q}: \"expected integer, got longstr\""),
        ({"x-priority": True}, f"'x-priority' for {Q}: \"expected integer, got bool\""),
        ({"x-stream-offset": 1}, f"'x-stream-offset' for {CLASSIC}"),
    ],
)
def test_a_bad_argument_of_a_consumer_is_refused(arguments: FieldTable, reason: str) -> None:
    with pytest.raises(PreconditionFailed) as caught:
        check_consumer_arguments(arguments, "classic", Q)
    assert caught.value.reply_text == f"PRECONDITION_FAILED - invalid arg {reason}"


@pytest.mark.parametrize("arguments", [{}, {"x-priority": -5}, {"x-priority": 2**40}, {"foo": 1}])
def test_s83_a_priority_may_be_any_integer(arguments: FieldTable) -> None:
    """S83."""
    check_consumer_arguments(arguments, "classic", Q)
    check_consumer_arguments(arguments, "quorum", Q)


# -- equivalence

SIGNED = "of type 'signedint'"

#: Current arguments, received ones, and what is said of the difference; None for none.
REDECLARED: list[tuple[FieldTable, FieldTable, str | None]] = [
    # S2
    (
        {},
        {"x-message-ttl": 5},
        f"'x-message-ttl' for {Q}: received the value '5' {SIGNED} but current is none",
    ),
    (
        {},
        {"x-message-ttl": 2**32},
        f"'x-message-ttl' for {Q}: received the value '4294967296' of type 'long'"
        " but current is none",
    ),
    (
        {"x-message-ttl": 5},
        {},
        f"'x-message-ttl' for {Q}: received none but current is the value '5' {SIGNED}",
    ),
    (
        {"x-message-ttl": 5},
        {"x-message-ttl": 6},
        f"'x-message-ttl' for {Q}: received '6' but current is '5'",
    ),
    (
        {"x-dead-letter-exchange": "a"},
        {},
        f"'x-dead-letter-exchange' for {Q}: received none but current is the value 'a'"
        " of type 'longstr'",
    ),
    (
        {"x-overflow": "drop-head"},
        {"x-overflow": "reject-publish"},
        f"'x-overflow' for {Q}: received 'reject-publish' but current is 'drop-head'",
    ),
    (
        {"x-single-active-consumer": True},
        {"x-single-active-consumer": False},
        f"'x-single-active-consumer' for {Q}: received 'false' but current is 'true'",
    ),
    (
        {"x-single-active-consumer": True},
        {},
        f"'x-single-active-consumer' for {Q}: received none but current is the value 'true'"
        " of type 'bool'",
    ),
    # S3: the width of an integer is no difference.
    ({"x-message-ttl": 5}, {"x-message-ttl": 5}, None),
    # S4: classic may be said or not.
    ({}, {"x-queue-type": "classic"}, None),
    ({"x-queue-type": "classic"}, {}, None),
    (
        {},
        {"x-queue-type": "quorum"},
        f"'x-queue-type' for {Q}: received the value 'quorum' of type 'longstr'"
        " but current is none",
    ),
    # What RabbitMQ does not know is not compared.
    ({}, {"x-unknown": "z"}, None),
    ({"x-unknown": "z"}, {"x-unknown": 3}, None),
    # The first difference in RabbitMQ's order, not in the table's.
    (
        {},
        {"x-max-length": 3, "x-message-ttl": 5, "x-dead-letter-exchange": "q", "x-expires": 9},
        f"'x-expires' for {Q}: received the value '9' {SIGNED} but current is none",
    ),
    (
        {},
        {"x-max-length": 3, "x-message-ttl": 5, "x-dead-letter-exchange": "q"},
        f"'x-message-ttl' for {Q}: received the value '5' {SIGNED} but current is none",
    ),
    # The same number, but a string and a boolean.
    (
        {"x-message-ttl": 1},
        {"x-message-ttl": True},
        f"'x-message-ttl' for {Q}: received 'true' but current is '1'",
    ),
]


@pytest.mark.parametrize(("current", "received", "difference"), REDECLARED, ids=repr)
def test_s2_s3_s4_a_redeclaration_must_repeat_the_arguments_that_count(
    current: FieldTable, received: FieldTable, difference: str | None
) -> None:
    """S2, S3, S4."""
    names = known_arguments("classic", QueueRules())
    if difference is None:
        assert_same_arguments(names, current, received, Q)
        return
    with pytest.raises(PreconditionFailed) as caught:
        assert_same_arguments(names, current, received, Q)
    assert caught.value.reply_text == f"PRECONDITION_FAILED - inequivalent arg {difference}"


def test_the_order_of_comparison_is_the_one_seen_live() -> None:
    assert known_arguments("classic", QueueRules()) == (
        "x-expires",
        "x-message-ttl",
        "x-dead-letter-exchange",
        "x-dead-letter-routing-key",
        "x-max-length",
        "x-max-length-bytes",
        "x-max-priority",
        "x-overflow",
        "x-queue-mode",
        "x-queue-version",
        "x-single-active-consumer",
        "x-queue-type",
        "x-queue-master-locator",
        "x-visibility-timeout",  # leveret's own
        *DEDUPLICATION_CHECKS,  # leveret's own: RabbitMQ without its plugin knows none
    )


def test_s1_a_field_that_differs_is_told_with_both_values() -> None:
    """S1."""
    assert_equal("durable", True, True, Q)
    with pytest.raises(PreconditionFailed) as caught:
        assert_equal("durable", False, True, Q)
    assert caught.value.reply_text == (
        f"PRECONDITION_FAILED - inequivalent arg 'durable' for {Q}:"
        " received 'true' but current is 'false'"
    )
