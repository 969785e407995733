"""What a written message may hold, and the words with which the rest is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leveret.cli.fields import (
    header_faults,
    header_value,
    nearest,
    property_fault,
    short_string_fault,
)

if TYPE_CHECKING:
    from leveret.properties import FieldValue


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("-5", -5),
        ("+5", 5),
        ("007", 7),
        ("0x1F", 31),
        ("0o17", 15),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("yes", "yes"),
        ("no", "no"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("png", "png"),
        ("a: b", "a: b"),
        ("http://example.org/#top", "http://example.org/#top"),
        ("a=b", "a=b"),
        ("'5'", "5"),
        ('"5"', "5"),
        ('"two\\nlines"', "two\nlines"),
        ("''", ""),
        ("[a, 5, 'b']", ["a", 5, "b"]),
        ("{a: 1, b: [x]}", {"a": 1, "b": ["x"]}),
        ("[]", []),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_a_header_of_the_command_line_is_typed_as_yaml_1_2_types_it(
    text: str, value: FieldValue
) -> None:
    read = header_value(text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("'open", "never closed"),
        ("[a", "neither closed"),
        ("9223372036854775808", "does not fit into AMQP's 64 bits"),
        ("-9223372036854775809", "does not fit into AMQP's 64 bits"),
        ('"\x00"', "not allowed in YAML"),
        ("[" * 5000, "nested more than 64 deep"),
    ],
)
def test_a_header_that_cannot_be_read_says_why(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        header_value(text)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("priority", 0),
        ("priority", 255),
        ("delivery_mode", 1),
        ("delivery_mode", 2),
        ("timestamp", 2**64 - 1),
        ("expiration", "60000"),
        ("message_id", "ü" * 127),
    ],
)
def test_a_property_within_its_range_is_good(name: str, value: object) -> None:
    assert property_fault(("properties", name), value) is None


@pytest.mark.parametrize(
    ("name", "value", "message", "remedy"),
    [
        ("priority", 256, "'priority' is 256", "It goes from 0 to 255."),
        ("priority", -1, "'priority' is -1", "It goes from 0 to 255."),
        ("delivery_mode", 3, "'delivery_mode' is 3", "It goes from 1 to 2."),
        (
            "priority",
            "5",
            "'priority' must be a whole number, not a string",
            "Write a number, without quotes.",
        ),
        (
            "priority",
            True,
            "'priority' must be a whole number, not a truth value",
            "Write a number, without quotes.",
        ),
        (
            "expiration",
            60000,
            "'expiration' must be a string, not a number",
            "Write it in double quotes.",
        ),
        ("type", None, "'type' must be a string, not null", "Write it in double quotes."),
        ("prioritty", 5, "unknown property 'prioritty'", "Did you mean 'priority'?"),
        (
            "headers",
            {},
            "headers are not among the properties here",
            "Give them beside the properties, as headers.",
        ),
        (
            "message_id",
            "ü" * 128,
            "'message_id' is 256 bytes long, the most that AMQP carries is 255",
            "Shorten it.",
        ),
    ],
)
def test_a_property_out_of_its_range_says_what_would_be_right(
    name: str, value: object, message: str, remedy: str
) -> None:
    fault = property_fault(("properties", name), value)
    assert fault is not None
    assert (fault.message, fault.remedy) == (message, remedy)


@pytest.mark.parametrize(
    ("headers", "path", "message"),
    [
        ({"n": 2**63}, ("headers", "n"), "9223372036854775808 does not fit into"),
        (
            {"a": {"b": [1, -(2**63) - 1]}},
            ("headers", "a", "b"),
            "does not fit into AMQP's 64 bits",
        ),
        ({"k" * 256: 1}, ("headers", "k" * 256), "is 256 bytes long"),
        ({"s": "\ud800"}, ("headers", "s"), "half of a surrogate pair"),
    ],
)
def test_a_header_that_no_amqp_field_can_carry_is_found_wherever_it_is_nested(
    headers: object, path: tuple[str, ...], message: str
) -> None:
    [fault] = header_faults(("headers",), headers)
    assert fault.path == path
    assert message in fault.message


def test_every_json_value_within_range_can_be_a_header() -> None:
    headers = {"a": None, "b": True, "c": -(2**63), "d": 1.5, "e": "x", "f": [{"g": 2**63 - 1}]}
    assert list(header_faults(("headers",), headers)) == []


def test_a_short_string_counts_bytes_not_characters() -> None:
    assert short_string_fault(("routing_key",), "ü" * 127) is None
    assert short_string_fault(("routing_key",), "ü" * 128) is not None


def test_the_nearest_name_is_the_advice_and_without_one_all_are_listed() -> None:
    assert nearest("ordres", ["orders", "audit"]) == "Did you mean 'orders'?"
    assert nearest("zzz", ["orders", "audit"]) == "Known here: orders, audit."
    assert nearest("zzz", []) == ""
