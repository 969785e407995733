"""`Amqp`: what the fixture `amqp` is, and how to have one without pytest."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from leveret.testing.asserting import Asserting
from leveret.testing.breaking import Breaking
from leveret.testing.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from leveret.config import Topology

__all__ = ["Amqp", "LeftOpenError", "server"]


class LeftOpenError(AssertionError):
    """A strict test left connections open or messages unsettled."""


class Amqp(Asserting, Breaking):
    """A broker behind a real socket, and everything a test wants of it."""

    def finish(self, *, passed: bool = True) -> None:
        """End the test: let go of everything, and raise what is to be raised.

        A test that has not `passed` leaves things open because of that: it is not told so as well.

        Raises:
            LeftOpenError: the test is strict, and something is open; the text lists it.
            ExceptionGroup: the test's own functions raised, when the server called them.

        """
        left = self.left_open() if self.settings.strict and passed else []
        self.close()
        if self._errors:
            raise BaseExceptionGroup("what the server's thread called raised", self._errors)
        if left:
            raise LeftOpenError("\n- ".join(["the test leaves something open:", *left]))

    def __enter__(self) -> Amqp:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.finish()
        else:  # the error under way says more
            self.close()


@contextmanager
def server(topology: str | Path | Topology | None = None, **settings: Any) -> Iterator[Amqp]:
    """Give a broker behind a real socket, without pytest; `Settings` says what can be set.

    >>> with server() as amqp:
    ...     _ = amqp.broker.queue_declare("billing")
    ...     _ = amqp.publish("", "billing", {"order": 7})
    ...     amqp.queue("billing").messages[0].json
    {'order': 7}

    Raises:
        TopologyError: the topology has faults.
        LeftOpenError: `strict`, and something was left open.

    """
    with Amqp(Settings(topology, **settings)) as amqp:
        yield amqp
