"""What both sides answer, as plain data that can be compared.

What RabbitMQ's clients cannot see or what the two sides cannot share is taken out here: the width
of an integer, the time in `x-death`, names that the broker made up, the prefix that keeps one
conversation's names apart from another's.
"""

from __future__ import annotations

import datetime
import decimal
import re
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import define, field, frozen

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Closed", "Delivery", "Event", "Names", "Returned", "plain", "properties_of"]

PROPERTY_NAMES = (
    "content_type",
    "content_encoding",
    "headers",
    "delivery_mode",
    "priority",
    "correlation_id",
    "reply_to",
    "expiration",
    "message_id",
    "timestamp",
    "type",
    "user_id",
    "app_id",
    "cluster_id",
)

_NAME = re.compile(r"[qx][\r\n]*\d")
_MADE_UP = re.compile(r"amq\.(gen|ctag)-[A-Za-z0-9_-]{22}")
_REPLY_ADDRESS = re.compile(r"amq\.rabbitmq\.reply-to\.[A-Za-z0-9_.=+/-]+")


@frozen
class Closed:
    """The broker closed a channel or a connection."""

    what: str
    code: int
    text: str


@frozen
class Delivery:
    """A message, to a consumer or (with an empty tag) to basic.get."""

    consumer_tag: str
    redelivered: bool
    exchange: str
    routing_key: str
    properties: dict[str, Any]  # name of a property that is set -> value
    body: str


@frozen
class Returned:
    """A mandatory message that came back."""

    code: int
    text: str
    exchange: str
    routing_key: str
    properties: dict[str, Any]  # name of a property that is set -> value
    body: str


@frozen
class Cancelled:
    """The broker cancelled a consumer."""

    consumer_tag: str


Event: TypeAlias = Delivery | Returned | Cancelled


@define
class Names:
    """How names of a script become names on one side, and back.

    `q1` to `q9` and `x1` to `x9`, wherever they stand as a whole string, get the prefix; `gen1`,
    `gen2`… are the names that the broker made, in the order in which they came, and `reply1`…
    the addresses of direct reply-to.
    """

    prefix: str = ""
    made: list[str] = field(factory=list)
    addresses: list[str] = field(factory=list)

    def outgoing(self, value: Any) -> Any:
        """Return what a step says, as this side calls it."""
        if isinstance(value, str):
            if _NAME.fullmatch(value):
                return self.prefix + value
            return self._made_name(value)
        return _inside(value, self.outgoing)

    def incoming(self, value: Any) -> Any:
        """Return what this side said, as the script calls it."""
        if isinstance(value, str):
            text = _MADE_UP.sub(self._known, value)
            text = _REPLY_ADDRESS.sub(self._address, text)
            return text.replace(self.prefix, "") if self.prefix else text
        return _inside(value, self.incoming)

    def _made_name(self, value: str) -> str:
        for word, names in (("gen", self.made), ("reply", self.addresses)):
            number = value.removeprefix(word)
            if number != value and number.isdigit() and 0 < int(number) <= len(names):
                return names[int(number) - 1]
        return value

    def _address(self, found: re.Match[str]) -> str:
        address = found.group()
        if address not in self.addresses:
            self.addresses.append(address)
        return f"reply{self.addresses.index(address) + 1}"

    def _known(self, found: re.Match[str]) -> str:
        name = found.group()
        if found.group(1) == "ctag":
            return "amq.ctag"
        if name not in self.made:
            self.made.append(name)
        return f"gen{self.made.index(name) + 1}"


def _inside(value: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, dict):
        return {change(key): change(each) for key, each in value.items()}
    if isinstance(value, list):
        return [change(each) for each in value]
    return value


def plain(value: Any) -> Any:
    """Return a field value without its type's accidents, still telling AMQP's types apart."""
    match value:
        case bool() | None | str():
            return value
        case int():
            return int(value)
        case bytes() | bytearray():
            return bytes(value)
        case datetime.datetime():
            moment = value if value.tzinfo else value.replace(tzinfo=datetime.UTC)
            return ("timestamp", int(moment.timestamp()))
        case decimal.Decimal():
            return ("decimal", str(value.normalize()))
        case dict():
            return {key: plain(each) for key, each in value.items()}
        case list():
            return [plain(each) for each in value]
    raise TypeError(f"not a field value: {value!r}")


def properties_of(properties: Any) -> dict[str, Any]:
    """Return the properties that are set; `time` is taken out of `x-death`."""
    found = {name: plain(getattr(properties, name)) for name in PROPERTY_NAMES}
    for death in (found["headers"] or {}).get("x-death") or ():
        if isinstance(death, dict):
            death.pop("time", None)
    return {name: value for name, value in found.items() if value is not None}
