"""Which messages were handled, as workers ask: in a SQLite file, in memory, or as you write it."""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from attrs import define, field

from leveret.clock import Clock, SystemClock
from leveret.durations import milliseconds
from leveret.errors import LeveretError
from leveret.idempotency.transactions import SCHEMA, UPSERT

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping
    from typing import Self

    from leveret.durations import Duration
    from leveret.properties import FieldValue

__all__ = [
    "Claim",
    "Handled",
    "Idempotency",
    "MemorySeen",
    "NoIdentityError",
    "SQLiteSeen",
    "Seen",
    "State",
    "identity",
]

#: Whether a message is `new`, was `handled`, or is being handled just now (`busy`).
State: TypeAlias = Literal["new", "handled", "busy"]

#: What is over is looked for at most so often, in milliseconds.
FORGET_EVERY_MS = 10_000


class NoIdentityError(LeveretError):
    """A message has nothing by which a second one could be told from it."""


class Handled(Protocol):
    """What is asked of a message: its id, its headers, the queue it came from."""

    @property
    def message_id(self) -> str | None:
        """The id that its publisher gave it."""
        ...

    @property
    def headers(self) -> Mapping[str, FieldValue]:
        """Its headers."""
        ...

    @property
    def queue(self) -> str:
        """The queue it came from."""
        ...


def identity(delivery: Handled, key: Callable[..., str | None] | None = None) -> str | None:
    """Return what identifies a message: what `key` says of it, by default its id."""
    found = delivery.message_id if key is None else key(delivery)
    return None if found is None else str(found)


class Seen(Protocol):
    """Remembers messages by scope and key; any object with these methods does.

    The scope is the queue: two queues that get copies of one message handle it twice, rightly.
    Called from several threads at once.
    """

    def begin(self, scope: str, key: str) -> State:
        """Say what is known of a message; one that is `new` is being handled from now on."""
        ...

    def succeeded(self, scope: str, key: str) -> None:
        """Remember that a message was handled: from when this returns, through a crash."""
        ...

    def failed(self, scope: str, key: str) -> None:
        """Forget that a message is being handled: it comes again."""
        ...


@define(eq=False)
class _Claims:
    """What handlers of this process are at work on."""

    _keys: set[tuple[str, str]] = field(factory=set, init=False)
    lock: threading.Lock = field(factory=threading.Lock, init=False)

    def begin(self, key: tuple[str, str], was_handled: Callable[[], bool]) -> State:
        with self.lock:
            if key in self._keys:
                return "busy"
            if was_handled():
                return "handled"
            self._keys.add(key)
            return "new"

    def end(self, key: tuple[str, str]) -> None:
        with self.lock:
            self._keys.discard(key)


class MemorySeen:
    """Remembers for as long as the process lives: for tests, and where a restart may repeat."""

    def __init__(self, ttl: Duration = "7d", clock: Clock | None = None) -> None:
        self._ttl_ms = milliseconds(ttl)
        self._clock = clock or SystemClock()
        self._claims = _Claims()
        # (scope, key) -> when it is forgotten; in that order
        self._expiry: OrderedDict[tuple[str, str], int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._expiry)

    def begin(self, scope: str, key: str) -> State:
        """See `Seen.begin`."""
        return self._claims.begin((scope, key), lambda: self._has((scope, key)))

    def _has(self, key: tuple[str, str]) -> bool:
        now_ms = self._clock.now_ms()
        while self._expiry:
            if next(iter(self._expiry.values())) > now_ms:
                break
            self._expiry.popitem(last=False)
        return key in self._expiry

    def succeeded(self, scope: str, key: str) -> None:
        """See `Seen.succeeded`."""
        with self._claims.lock:
            self._expiry.pop((scope, key), None)
            self._expiry[scope, key] = self._clock.now_ms() + self._ttl_ms
        self._claims.end((scope, key))

    def failed(self, scope: str, key: str) -> None:
        """See `Seen.failed`."""
        self._claims.end((scope, key))


class SQLiteSeen:
    """Remembers in a SQLite file for `ttl`, through restarts.

    What is being handled is known within the process: two processes with the same file that are
    given two copies of a message at the very same time both handle it. `once` has no such gap.

    Raises:
        sqlite3.Error: the file cannot be used.

    """

    def __init__(
        self, file: str | os.PathLike[str], ttl: Duration = "7d", clock: Clock | None = None
    ) -> None:
        self._ttl_ms = milliseconds(ttl)
        self._clock = clock or SystemClock()
        self._claims = _Claims()
        self._sql = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self._sql.execute("PRAGMA journal_mode=WAL")
        self._sql.execute("PRAGMA synchronous=FULL")
        for statement in SCHEMA:
            self._sql.execute(statement)
        self._forget_from_ms = 0

    def __len__(self) -> int:
        with self._claims.lock:
            ((count,),) = self._sql.execute("SELECT count(*) FROM leveret_seen")
        return int(count)

    def begin(self, scope: str, key: str) -> State:
        """See `Seen.begin`."""
        return self._claims.begin((scope, key), lambda: self._has(scope, key))

    def _has(self, scope: str, key: str) -> bool:
        found = self._sql.execute(
            "SELECT 1 FROM leveret_seen WHERE scope = ? AND key = ? AND expires_at > ?",
            (scope, key, self._clock.now_ms()),
        )
        return found.fetchone() is not None

    def succeeded(self, scope: str, key: str) -> None:
        """See `Seen.succeeded`."""
        now_ms = self._clock.now_ms()
        with self._claims.lock:
            self._sql.execute(UPSERT, (scope, key, now_ms + self._ttl_ms, now_ms))
            if now_ms >= self._forget_from_ms:
                self._forget_from_ms = now_ms + FORGET_EVERY_MS
                self._sql.execute("DELETE FROM leveret_seen WHERE expires_at <= ?", (now_ms,))
        self._claims.end((scope, key))

    def failed(self, scope: str, key: str) -> None:
        """See `Seen.failed`."""
        self._claims.end((scope, key))

    def close(self) -> None:
        """Close the file."""
        with self._claims.lock:
            self._sql.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@define(eq=False)
class Claim:
    """What is known of a message, and whom to tell how its handler ended."""

    state: State
    _seen: Seen
    _scope: str
    # None where nothing is remembered of it.
    _key: str | None

    def succeeded(self) -> None:
        """Remember that it was handled; see `Seen.succeeded`."""
        if self._key is not None:
            self._seen.succeeded(self._scope, self._key)

    def failed(self) -> None:
        """Forget that it is being handled; see `Seen.failed`."""
        if self._key is not None:
            self._seen.failed(self._scope, self._key)


@define(eq=False)
class Idempotency:
    """How a worker tells what it handled: where it looks, and what identifies a message.

    `key` takes a delivery and returns a text; by default it is the id of the message. For one
    without, `missing` says whether its handler fails ("error") or is called ("handle").
    """

    seen: Seen
    key: Callable[..., str | None] | None = None
    missing: Literal["error", "handle"] = "error"

    @classmethod
    def of(cls, given: Idempotency | Seen | None) -> Idempotency | None:
        """Return what a worker was given, in this form."""
        return given if given is None or isinstance(given, Idempotency) else cls(given)

    def begin(self, delivery: Handled) -> Claim:
        """Say what is known of a message that a worker was given.

        Raises:
            NoIdentityError: see `identity`.

        """
        key = self.identity(delivery)
        state: State = "new" if key is None else self.seen.begin(delivery.queue, key)
        return Claim(state, self.seen, delivery.queue, key)

    def identity(self, delivery: Handled) -> str | None:
        """Return what identifies a message; None where it is to be handled whatever it is.

        Raises:
            NoIdentityError: nothing does, and that was not allowed for.

        """
        found = identity(delivery, self.key)
        if found is None and self.missing == "error":
            raise NoIdentityError(
                f"a message of queue '{delivery.queue}' has no {_what(self.key)}, so that it cannot"
                " be told from a second one: have its publisher set it, or give the worker"
                ' Idempotency(…, key=…) or missing="handle"'
            )
        return found


def _what(key: object) -> str:
    return "message_id" if key is None else "key"
