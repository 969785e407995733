"""A look at properties in a buffer sees what decoding them would show."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from leveret.errors import AMQPError
from leveret.header import (
    FLAG_HEADERS,
    decode_properties,
    encode_header,
    is_plain,
    plain_expiration,
    property_mask,
)
from leveret.properties import Properties

TEXTS = st.text(max_size=5)
NAMES = st.sampled_from(["CC", "BCC", "CCC", "n", "trace", "x-a", ""])
VALUES = st.one_of(
    st.integers(-5, 2**40), st.text(max_size=6), st.booleans(), st.none(), st.binary(max_size=3)
)
NESTED = st.lists(VALUES, max_size=2) | st.dictionaries(NAMES, VALUES, max_size=2)
PROPERTIES = st.builds(
    Properties,
    content_type=st.none() | TEXTS,
    headers=st.none() | st.dictionaries(NAMES, VALUES | NESTED, max_size=3),
    delivery_mode=st.sampled_from([None, 1, 2]),
    priority=st.sampled_from([None, 0, 9]),
    reply_to=st.none() | st.none() | TEXTS,
    expiration=st.none() | st.sampled_from(["", "0", "60000", "x"]),
    message_id=st.none() | TEXTS,
    timestamp=st.none() | st.integers(0, 2**63),
    user_id=st.none() | st.none() | TEXTS,
)


def as_bytes(properties: Properties) -> bytes:
    """Return flags and what follows them."""
    return encode_header(properties, 0)[12:]


@given(PROPERTIES, st.binary(max_size=4), st.binary(max_size=4))
def test_a_look_finds_the_expiration_and_that_no_more_needs_one(
    properties: Properties, before: bytes, behind: bytes
) -> None:
    data = as_bytes(properties)
    found = plain_expiration(before + data + behind, len(before), len(before) + len(data))
    if found is None:  # it does not know, or something needs a look
        return
    assert found.decode() == (properties.expiration or "")
    assert properties.reply_to is None
    assert properties.user_id is None
    assert not {"CC", "BCC"} & (properties.headers or {}).keys()
    assert found or is_plain(data) or b"CC" in data


@given(PROPERTIES, st.data())
def test_a_look_knows_spoiled_properties(properties: Properties, draw: st.DataObject) -> None:
    data = bytearray(as_bytes(properties))
    at = draw.draw(st.integers(0, len(data) - 1))
    data[at] = draw.draw(st.integers(0, 255))
    if plain_expiration(bytes(data), 0, len(data)) is not None:
        decode_properties(bytes(12) + bytes(data))


@given(PROPERTIES, st.data())
def test_what_fits_a_mask_needs_no_look_either(properties: Properties, draw: st.DataObject) -> None:
    data = as_bytes(properties)
    if plain_expiration(data, 0, len(data)) != b"":
        return
    mask, value = property_mask(data)
    assert int.from_bytes(data, "big") & mask == value
    other = bytearray(data)
    for _ in range(3):
        other[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    if int.from_bytes(other, "big") & mask == value:
        assert plain_expiration(bytes(other), 0, len(other)) == b""
        decode_properties(bytes(12) + bytes(other))


def test_headers_that_differ_in_values_alone_fit_one_mask() -> None:
    one, two = (
        as_bytes(Properties(headers={"n": n, "trace": t}, message_id=t))
        for n, t in ((1, "abc"), (77, "xyz"))
    )
    assert one[0] & FLAG_HEADERS >> 8
    plain_expiration(one, 0, len(one))
    mask, value = property_mask(one)
    assert int.from_bytes(two, "big") & mask == value


def test_properties_that_lie_about_their_size_are_not_plain() -> None:
    data = as_bytes(Properties(message_id="abc"))
    for spoiled in (data[:-1], data + b"x"):
        assert plain_expiration(spoiled, 0, len(spoiled)) is None
        try:
            is_plain(spoiled)
        except AMQPError:
            continue
        raise AssertionError("they were taken for plain")
