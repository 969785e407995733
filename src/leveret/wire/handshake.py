"""The beginning of a connection: what server and client tell each other, and the login.

Mechanisms are RabbitMQ's: PLAIN (RFC 4616), AMQPLAIN, EXTERNAL (the name in the client's
certificate) and, where it is switched on, ANONYMOUS.
"""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from leveret.errors import FrameSyntaxError
from leveret.fields import decode_table

if TYPE_CHECKING:
    from leveret.engine.broker import Broker
    from leveret.properties import FieldTable

__all__ = ["CAPABILITIES", "authenticate", "mechanisms", "server_properties"]

#: What clients look for before they use an extension (S124).
CAPABILITIES = (
    "publisher_confirms",
    "exchange_exchange_bindings",
    "basic.nack",
    "consumer_cancel_notify",
    "connection.blocked",
    "consumer_priorities",
    "authentication_failure_close",
    "per_consumer_qos",
    "direct_reply_to",
)

#: Profile -> the RabbitMQ release that clients are told.
_RELEASES = {"3.10": "3.10.8", "3.13": "3.13.7", "4.2": "4.2.0", "4.3": "4.3.5"}


def server_properties(broker: Broker) -> FieldTable:
    """Return the server properties of connection.start (S124).

    Product and version are those of the RabbitMQ release that the profile follows, since clients
    switch features by them.
    """
    return {
        "capabilities": dict.fromkeys(CAPABILITIES, True),
        "cluster_name": "leveret",
        "copyright": "Copyright (c) 2026 The leveret authors",
        "information": "leveret, a routing broker that behaves like RabbitMQ",
        "platform": f"Python {platform.python_version()}",
        "product": "RabbitMQ",
        "version": _RELEASES[broker.profile.version],
    }


def mechanisms(*, external: bool, anonymous: bool) -> str:
    """Return the mechanisms on offer, as connection.start lists them."""
    names = ["AMQPLAIN", "PLAIN"]
    if external:
        names.append("EXTERNAL")
    if anonymous:
        names.append("ANONYMOUS")
    return " ".join(names)


def authenticate(
    broker: Broker, mechanism: str, response: bytes, *, external_user: str | None
) -> str | None:
    """Return the name of the user that logs in, or None where the login is refused.

    Raises:
        FrameSyntaxError: the response is not what the mechanism says it is to be.

    """
    match mechanism:
        case "PLAIN":
            identity, *rest = response.split(b"\0")
            if identity or len(rest) != 2:
                raise FrameSyntaxError("response to PLAIN invalid")
            name, password = (part.decode("utf-8", "replace") for part in rest)
        case "AMQPLAIN":
            name, password = _amqplain(response)
        case "EXTERNAL":
            return external_user if external_user in broker.users else None
        case "ANONYMOUS":
            return "guest" if "guest" in broker.users else None
        case _:
            return None
    if name not in broker.users or not broker.users[name].verify(password):
        return None
    return name


def _amqplain(response: bytes) -> tuple[str, str]:
    table, _ = decode_table(len(response).to_bytes(4, "big") + response)
    name, password = table.get("LOGIN"), table.get("PASSWORD")
    if not isinstance(name, str) or not isinstance(password, str):
        raise FrameSyntaxError("response to AMQPLAIN invalid")
    return name, password
