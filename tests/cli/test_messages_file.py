"""A file of messages: what a line may say, and how a bad one is reported."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leveret.cli.messages import BadLine, WrittenMessage, read_messages
from leveret.properties import Properties

if TYPE_CHECKING:
    from leveret.errors import Fault


def _read(*lines: bytes) -> list[WrittenMessage | BadLine | None]:
    return [item for _, item in read_messages(lines, "messages.jsonl")]


def _faults(line: str) -> list[Fault]:
    [item] = _read(line.encode())
    assert isinstance(item, BadLine)
    return list(item.faults)


def test_a_line_names_everything_that_is_published() -> None:
    [message] = _read(
        b'{"exchange": "orders", "routing_key": "order.paid.eu", "headers": {"total": 5},'
        b' "properties": {"priority": 5, "message_id": "m1"}, "body": "hello"}\n'
    )
    assert isinstance(message, WrittenMessage)
    assert (message.exchange, message.routing_key) == ("orders", "order.paid.eu")
    assert message.properties == Properties(headers={"total": 5}, priority=5, message_id="m1")
    assert message.body == b"hello"


def test_only_the_exchange_must_be_there() -> None:
    [message] = _read(b'{"exchange": ""}')
    assert isinstance(message, WrittenMessage)
    assert (message.exchange, message.routing_key, message.body) == ("", "", b"")
    assert message.properties == Properties()


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ('"text"', "text"),
        ('"grün"', "grün"),
        ('{"id": 7, "name": "grün"}', '{"id":7,"name":"grün"}'),
        ("[1, 2]", "[1,2]"),
        ("7", "7"),
        ("null", "null"),
        ("false", "false"),
    ],
)
def test_a_text_body_is_sent_as_it_stands_and_any_other_as_json(body: str, sent: str) -> None:
    [message] = _read(f'{{"exchange": "", "body": {body}}}'.encode())
    assert isinstance(message, WrittenMessage)
    assert message.body == sent.encode()


def test_blank_lines_line_ends_of_windows_and_a_byte_order_mark_do_no_harm() -> None:
    items = _read(b'\xef\xbb\xbf{"exchange": "a"}\r\n', b"\r\n", b"   \n", b'{"exchange": "b"}')
    names = [item.exchange if isinstance(item, WrittenMessage) else item for item in items]
    assert names == ["a", None, None, "b"]


def test_the_line_after_a_bad_one_is_read() -> None:
    bad, good = _read(b"oops\n", b'{"exchange": "a"}\n')
    assert isinstance(bad, BadLine)
    assert isinstance(good, WrittenMessage)
    assert good.line == 2


def test_a_bad_line_reads_like_a_compiler_s_error() -> None:
    [fault] = _faults('{"exchange": "orders", "routingkey": "a"}')
    assert str(fault) == (
        "messages.jsonl:1:24: error: unknown field 'routingkey'\n"
        '  {"exchange": "orders", "routingkey": "a"}\n'
        "                         ^\n"
        "  Did you mean 'routing_key'?"
    )


@pytest.mark.parametrize(
    ("line", "column", "message", "remedy"),
    [
        ("{}", 1, "'exchange' is missing", 'Name one; "" is the default exchange'),
        ('{"exchange": 5}', 14, "'exchange' must be a string, not a number", "Write it in double"),
        (
            '{"exchange": "a", "routing_key": null}',
            34,
            "'routing_key' must be a string, not null",
            "Write it in double quotes.",
        ),
        ('{"exchange": "a", "headers": [1]}', 30, "'headers' must be an object", 'Write {"name"'),
        (
            '{"exchange": "a", "properties": "x"}',
            33,
            "'properties' must be an object",
            'Write {"name"',
        ),
        (
            '{"exchange": "a", "properties": {"priority": 300}}',
            46,
            "'priority' is 300",
            "It goes from 0 to 255.",
        ),
        (
            '{"exchange": "a", "properties": {"ttl": 5}}',
            34,
            "unknown property 'ttl'",
            "Known here: content_type, ",
        ),
        (
            '{"exchange": "a", "headers": {"n": 99999999999999999999}}',
            36,
            "99999999999999999999 does not fit into AMQP's 64 bits",
            "Send it as a string.",
        ),
        (
            '{"exchange": "a", "body": ["\\ud800"]}',
            27,
            "'body' holds half of a surrogate pair",
            "Write the character itself",
        ),
        ("[]", 1, "a message must be a JSON object", 'Write {"exchange": "…"'),
        ("{", 2, "not JSON: expecting property name", "Write one JSON object on the line."),
    ],
)
def test_a_fault_says_where_what_and_what_to_do(
    line: str, column: int, message: str, remedy: str
) -> None:
    [fault] = _faults(line)
    assert fault.position.column == column
    assert fault.message.startswith(message)
    assert fault.remedy.startswith(remedy)


def test_every_fault_of_a_line_is_reported_not_only_the_first() -> None:
    faults = _faults('{"routing_key": 5, "colour": "red", "properties": {"priority": "high"}}')
    assert [fault.message for fault in faults] == [
        "unknown field 'colour'",
        "'exchange' is missing",
        "'routing_key' must be a string, not a number",
        "'priority' must be a whole number, not a string",
    ]


@pytest.mark.parametrize("field", ["exchange", "routing_key"])
def test_names_and_keys_over_255_bytes_are_refused(field: str) -> None:
    [fault] = _faults(json.dumps({"exchange": "", field: "k" * 256}))
    assert fault.message == f"'{field}' is 256 bytes long, the most that AMQP carries is 255"


def test_bytes_that_are_no_text_are_placed() -> None:
    [item] = _read('{"exchange": "grü'.encode() + b'\xff"}')
    assert isinstance(item, BadLine)
    [fault] = item.faults
    assert str(fault).startswith("messages.jsonl:1:18: error: byte 0xff is not UTF-8\n")


@settings(max_examples=150)
@given(line=st.binary())
def test_no_line_whatsoever_raises(line: bytes) -> None:
    [_] = _read(line.replace(b"\n", b""))
