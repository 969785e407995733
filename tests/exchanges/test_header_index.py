"""The header index finds every binding that matches, under random arguments and headers."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from leveret.exchanges import Envelope, HeadersExchange
from leveret.properties import FieldValue, Properties
from leveret.routing import Binding, HeadersMatch

NAMES = st.sampled_from(("a", "b", "x-a", "x-b"))
VALUES: st.SearchStrategy[FieldValue] = st.one_of(
    st.sampled_from((None, True, False, 0, 1, 1.0, "1", b"1", "")),
    st.lists(st.sampled_from((1, "1", None)), max_size=2),
    st.dictionaries(NAMES, st.sampled_from((1, "1")), max_size=2),
)
HEADERS = st.dictionaries(NAMES, VALUES, max_size=4)
MODES = st.sampled_from((None, "all", "any", "all-with-x", "any-with-x"))


class NoChance:
    """Fails whoever asks for chance."""

    def randrange(self, stop: int, /) -> int:
        raise AssertionError("nothing here is random")


@st.composite
def bindings(draw: st.DrawFn) -> Binding:
    arguments = dict(draw(HEADERS))
    if (mode := draw(MODES)) is not None:
        arguments["x-match"] = mode
    return Binding("X", draw(st.sampled_from("qrs")), arguments=arguments)


@settings(max_examples=150, deadline=None)
@given(st.lists(bindings(), max_size=20, unique=True), st.lists(HEADERS, max_size=5), st.data())
def test_routing_by_the_index_equals_comparing_every_binding(
    made: list[Binding], messages: list[dict[str, FieldValue]], data: st.DataObject
) -> None:
    exchange = HeadersExchange("X")
    for binding in made:
        exchange.bind(binding)
        exchange.check()
    gone = data.draw(st.sets(st.sampled_from(made))) if made else set()
    for binding in gone:
        exchange.unbind(binding)
        exchange.check()
    for headers in messages:
        envelope = Envelope(("",), Properties(headers=headers), NoChance())
        found = list(exchange.route(envelope))
        assert len(found) == len(set(found))
        assert set(found) == {
            binding
            for binding in made
            if binding not in gone and HeadersMatch.compile(binding.arguments).matches(headers)
        }


def test_an_index_left_empty_keeps_nothing() -> None:
    exchange = HeadersExchange("X")
    binding = Binding("X", "q", arguments={"x-match": "any", "a": 1, "b": None})
    exchange.bind(binding)
    exchange.unbind(binding)
    exchange.check()
    assert not exchange._index._filed
