"""The test kit: RabbitMQ in milliseconds, on a clock that tests move.

With pytest there is nothing to set up: ask for the fixture `amqp`. Without it, `server()` is a
context manager that gives the same object, and `LeveretTestCase` puts one into a `unittest` case.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from leveret.testing.amqp import Amqp, server
    from leveret.testing.cases import LeveretTestCase
    from leveret.testing.clock import MovableClock
    from leveret.testing.journal import DeadLetter, Published, Step
    from leveret.testing.matchers import headers_with, json_equal, json_with
    from leveret.testing.responders import Responder
    from leveret.testing.settings import Settings
    from leveret.testing.state import Snapshot
    from leveret.testing.views import MessageView, QueueView

__all__ = [
    "Amqp",
    "DeadLetter",
    "LeveretTestCase",
    "MessageView",
    "MovableClock",
    "Published",
    "QueueView",
    "Responder",
    "Settings",
    "Snapshot",
    "Step",
    "headers_with",
    "json_equal",
    "json_with",
    "server",
]

# public name -> module; imported when first used, since pytest imports this package for every run
_HOMES = {
    "Amqp": "amqp",
    "DeadLetter": "journal",
    "LeveretTestCase": "cases",
    "MessageView": "views",
    "MovableClock": "clock",
    "Published": "journal",
    "QueueView": "views",
    "Responder": "responders",
    "Settings": "settings",
    "Snapshot": "state",
    "Step": "journal",
    "headers_with": "matchers",
    "json_equal": "matchers",
    "json_with": "matchers",
    "server": "amqp",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"leveret.testing.{_HOMES[name]}")
    value = globals()[name] = getattr(module, name)
    return value
