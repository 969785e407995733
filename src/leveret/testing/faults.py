"""What is to go wrong: counts and switches that the broker under test looks at, and their order.

Nothing here acts; `broker.py` shows each fault to clients, and `breaking.py` sets them.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Self

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Callable

    from leveret.errors import AMQPError

__all__ = ["Fault", "Faults", "RefusedDeclare"]


class Fault:
    """A fault under way: `stop()` ends it, and so does leaving it as a context."""

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop: Callable[[], None] | None = stop

    def stop(self) -> None:
        """End the fault; once is enough."""
        stop, self._stop = self._stop, None
        if stop is not None:
            stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


@define(eq=False)
class RefusedDeclare:
    """Declarations to refuse: how many, of which names, with which error."""

    times: int
    name: str
    make_error: Callable[[str, str], AMQPError]


@define(eq=False)
class Faults:
    """The faults of one broker under test. Looked at and changed under the server's lock."""

    #: Logins to refuse; a negative number is all.
    logins: int = 0
    declares: list[RefusedDeclare] = field(factory=list)
    #: Publishes to answer with basic.nack.
    nacks: int = 0
    confirms_held: bool = False
    #: A channel's deliveries are so far apart; 0 is no fault.
    delivery_gap_ms: int = 0
    #: Acknowledgements to lose, so that the message is delivered again.
    lost_acks: int = 0

    def clear(self) -> None:
        """Have nothing go wrong any more."""
        self.logins = self.nacks = self.delivery_gap_ms = self.lost_acks = 0
        self.declares.clear()
        self.confirms_held = False

    def refuses_login(self) -> bool:
        """Say whether this login is refused, and count it."""
        if self.logins > 0:
            self.logins -= 1
            return True
        return self.logins < 0

    def refused_declare(self, kind: str, name: str) -> AMQPError | None:
        """Return the error for this declaration, where it is to be refused, and count it."""
        for refused in self.declares:
            if refused.times and fnmatchcase(name, refused.name):
                refused.times -= 1
                return refused.make_error(kind, name)
        return None

    def takes(self, what: str) -> bool:
        """Say whether one of the counted `nacks` or `lost_acks` is left, and take it."""
        left: int = getattr(self, what)
        if left:
            setattr(self, what, left - 1)
        return left > 0
