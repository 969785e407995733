"""Each method of the table, there and back, and as pika reads and writes it."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika import spec as pika_spec

from leveret.errors import CommandInvalid, FrameError
from leveret.wire.dispatch import HANDLERS
from leveret.wire.methods import METHODS, decode_method, encode_method

#: Field type -> values, and pika's form of the first.
VALUES: dict[str, tuple[Any, ...]] = {
    "bit": (True, False),
    "octet": (9, 0),
    "short": (65_535, 0),
    "long": (2**32 - 1, 0),
    "longlong": (2**64 - 1, 0),
    "shortstr": ("é" * 127, ""),
    "longstr": (b"long \xc3\xa9", b""),
    "table": ({"a": 1, "b": {"c": [True]}}, {}),
}

NAMES = sorted(METHODS)


def values_of(name: str, which: int) -> dict[str, Any]:
    return {field: VALUES[kind][which] for field, kind in METHODS[name].fields}


@pytest.mark.parametrize("which", [0, 1], ids=["full", "empty"])
@pytest.mark.parametrize("name", NAMES)
def test_a_method_comes_back_as_it_went(name: str, which: int) -> None:
    values = values_of(name, which)
    call = decode_method(encode_method(name, **values))
    assert (call.name, call.values) == (name, values)


@pytest.mark.parametrize("name", NAMES)
def test_fields_not_given_are_empty(name: str) -> None:
    assert encode_method(name) == encode_method(name, **values_of(name, 1))


def pika_class(name: str) -> Any:
    def dashed(camel: str) -> str:
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", camel).lower()

    return next(m for m in pika_spec.methods.values() if dashed(m.NAME) == name)


@pytest.mark.parametrize("name", NAMES)
def test_pika_reads_what_is_written(name: str) -> None:
    values = values_of(name, 0)
    payload = encode_method(name, **values)
    made = pika_class(name)
    decoded = made.__new__(made)
    assert int.from_bytes(payload[:4], "big") == made.INDEX
    decoded.decode(payload, 4)
    read = [
        value.encode() if isinstance(expected, bytes) and isinstance(value, str) else value
        for value, expected in zip(vars(decoded).values(), values.values(), strict=True)
    ]
    assert read == list(values.values())


def test_every_method_that_pika_knows_is_in_the_table() -> None:
    ids = {(spec.class_id << 16) + spec.method_id for spec in METHODS.values()}
    assert ids == set(pika_spec.methods)


def test_every_method_for_a_server_is_handled() -> None:
    answers = {name for name in METHODS if name.endswith(("-ok", "-empty"))}
    from_servers = {"basic.deliver", "basic.return"}
    of_channels = {n for n in METHODS if not n.startswith("connection.")}
    elsewhere = {"basic.publish", "channel.open"}
    assert set(HANDLERS) == of_channels - answers - from_servers - elsewhere


@pytest.mark.parametrize("name", NAMES)
def test_a_method_cut_short_or_too_long_is_named_in_the_error(name: str) -> None:
    payload = encode_method(name, **values_of(name, 0))
    ids = METHODS[name].class_id, METHODS[name].method_id
    for broken in (*(payload[:end] for end in range(4, len(payload))), payload + b"\0"):
        with pytest.raises(FrameError, match="cannot decode <<") as caught:
            decode_method(broken)
        assert (caught.value.class_id, caught.value.method_id) == ids


@given(st.integers(0, 65_535), st.integers(0, 65_535), st.binary(max_size=20))
def test_s123_a_method_that_does_not_exist_is_not_implemented(
    class_id: int, method_id: int, fields: bytes
) -> None:
    if any((s.class_id, s.method_id) == (class_id, method_id) for s in METHODS.values()):
        return
    payload = class_id.to_bytes(2, "big") + method_id.to_bytes(2, "big") + fields
    with pytest.raises(CommandInvalid, match="unimplemented method") as caught:
        decode_method(payload)
    assert (caught.value.class_id, caught.value.method_id) == (class_id, method_id)


@given(st.sampled_from(NAMES), st.binary(max_size=60))
def test_any_bytes_are_decoded_or_refused(name: str, fields: bytes) -> None:
    ids = METHODS[name].class_id, METHODS[name].method_id
    payload = ids[0].to_bytes(2, "big") + ids[1].to_bytes(2, "big") + fields
    with suppress(FrameError):
        assert decode_method(payload).name == name
