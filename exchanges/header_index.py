"""Finds the bindings of a headers exchange that a message may match, without trying all of them.

A binding that wants all of its headers is filed under one of them, one that wants any under each;
what must only be present is filed under the header's name. So whatever matches is found under
some header of the message, and only what is found there need be compared in full. RabbitMQ
compares every binding with every message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from attrs import define, field

from leveret.routing.values import Form, value_form

if TYPE_CHECKING:
    from collections.abc import Iterable

    from leveret.properties import FieldTable, FieldValue
    from leveret.routing import Binding

__all__ = ["HeaderIndex"]

#: Where a binding is filed: a header's name, and the form of its value or None for any value.
_Place: TypeAlias = "tuple[str, Form | None]"


@define(eq=False)
class HeaderIndex:
    """Bindings by the headers that they ask for.

    With n headers asked for, `add` and `remove` cost O(n). `candidates` costs O(1) for each header
    of the message, and for each binding it returns.
    """

    # header name -> {form of the value, or None for any -> {binding: None}}
    _filed: dict[str, dict[Form | None, dict[Binding, None]]] = field(factory=dict, init=False)
    # binding -> where it is filed
    _places: dict[Binding, tuple[_Place, ...]] = field(factory=dict, init=False)
    # binding -> None: those that ask for nothing and get everything (S50)
    _always: dict[Binding, None] = field(factory=dict, init=False)

    def add(self, binding: Binding, asked: FieldTable, *, any_of: bool) -> None:
        """File a binding by the headers it asks for."""
        places: list[_Place] = [
            (name, None if value is None else value_form(value)) for name, value in asked.items()
        ]
        if not any_of:
            if not places:
                self._always[binding] = None
            # The place with fewest bindings tells most about a message.
            places = sorted(places, key=self._crowd)[:1]
        self._places[binding] = tuple(places)
        for name, form in places:
            self._filed.setdefault(name, {}).setdefault(form, {})[binding] = None

    def remove(self, binding: Binding) -> None:
        """Take a binding out.

        Raises:
            KeyError: it is not there.

        """
        for name, form in self._places.pop(binding):
            forms = self._filed[name]
            del forms[form][binding]
            if not forms[form]:
                del forms[form]
            if not forms:
                del self._filed[name]
        self._always.pop(binding, None)

    def candidates(self, headers: FieldTable) -> Iterable[Binding]:
        """Return the bindings that may match, each once, and all that do."""
        found = dict(self._always)
        for name, value in headers.items():
            forms = self._filed.get(name)
            if forms is not None:
                found.update(forms.get(None, ()))
                found.update(forms.get(_form(value), ()))
        return found

    def _crowd(self, place: _Place) -> tuple[bool, int]:
        name, form = place
        return form is None, len(self._filed.get(name, {}).get(form, ()))

    def check(self) -> None:
        """Assert that each binding is filed where it says, and nothing else is filed."""
        filed = {
            (name, form, binding)
            for name, forms in self._filed.items()
            for form, bindings in forms.items()
            for binding in bindings
        }
        assert filed == {
            (name, form, binding)
            for binding, places in self._places.items()
            for name, form in places
        }
        assert all(bindings for forms in self._filed.values() for bindings in forms.values())
        assert all(self._filed.values())
        assert self._always.keys() <= self._places.keys()


def _form(value: FieldValue) -> Form | None:
    """Return the form of a message's value; None if AMQP has none, which equals no binding's."""
    try:
        return value_form(value)
    except TypeError:
        return None
