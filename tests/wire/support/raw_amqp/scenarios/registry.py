"""The scenarios by name, and short ways to enter one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from pika import spec

from raw_amqp.frames import method
from raw_amqp.peers import start_ok

if TYPE_CHECKING:
    from collections.abc import Callable

    Open: TypeAlias = Callable[[], Any]
    Scenario: TypeAlias = Callable[[Open], None]

__all__ = [
    "PUBLISH",
    "SCENARIOS",
    "START_OK",
    "SYNC",
    "TUNE_OK",
    "called",
    "raw",
    "refused_declare",
    "scenario",
    "sent",
]

TUNE_OK = spec.Connection.TuneOk(2047, 131_072, 0)
START_OK = start_ok()

#: A publish without its content, and something that is answered behind it.
PUBLISH = method(1, spec.Basic.Publish(exchange="", routing_key="none"))
SYNC = method(1, spec.Basic.Qos(0, 1, False))

#: name -> scenario
SCENARIOS: dict[str, Scenario] = {}


def scenario(call: Scenario) -> Scenario:
    """Enter a scenario under its function's name."""
    SCENARIOS[call.__name__.replace("_", " ")] = call
    return call


def sent(name: str, *data: bytes, login: dict[str, Any] | None = None) -> None:
    """Enter a scenario: log in with channel 1 open, send, look."""

    def run(open_peer: Open) -> None:
        peer = open_peer().login(**{"channels": (1,), **(login or {})})
        peer.send(*data)
        peer.lines()

    SCENARIOS[name] = run


def called(name: str, *calls: Any, login: dict[str, Any] | None = None) -> None:
    """Enter a scenario: the same, with methods on channel 1 that are sent one by one."""

    def run(open_peer: Open) -> None:
        peer = open_peer().login(**{"channels": (1,), **(login or {})})
        for call in calls:
            if isinstance(call, bytes):
                peer.send(call)
                peer.lines()
            else:
                peer.call(1, call)

    SCENARIOS[name] = run


def raw(name: str, *parts: bytes) -> None:
    """Enter a scenario: send parts of a handshake, and look after each."""

    def run(open_peer: Open) -> None:
        peer = open_peer()
        for part in parts:
            peer.send(part)
            peer.lines()

    SCENARIOS[name] = run


def refused_declare() -> bytes:
    """Return a method that closes channel 1."""
    return method(1, spec.Queue.Declare(queue="never", passive=True))
