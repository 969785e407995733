"""What a broker under test is to be like: its topology, profile, clock, and how strict it is."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from attrs import evolve, frozen

if TYPE_CHECKING:
    from leveret.config import Topology
    from leveret.testing.clock import ClockMode

__all__ = ["ServerScope", "Settings", "load_topology"]

#: A server for each test, or one for the session with a fresh broker behind it for each test.
ServerScope: TypeAlias = Literal["test", "session"]


@frozen
class Settings:
    """How to make a broker under test.

    `topology` is a file, or a `leveret.config.Topology`, or None for an empty broker; `profile` a
    version of RabbitMQ, None for the topology's, or else the broker's own default; `clock`
    "manual" or "real"; `strict` fails a test that leaves something open; `seed` makes what chance
    decides repeatable; `server` whose the listening socket is.

    Raises:
        ValueError: `clock` or `server` is none of the values named here.

    """

    topology: str | Path | Topology | None = None
    profile: str | None = None
    clock: ClockMode = "manual"
    strict: bool = False
    seed: int | None = 0
    server: ServerScope = "test"

    def __attrs_post_init__(self) -> None:
        _check("clock", self.clock, ("manual", "real"))
        _check("server", self.server, ("test", "session"))

    def changed(self, **changes: Any) -> Settings:
        """Return a copy with some of the fields changed.

        Raises:
            TypeError: there is no such field.

        """
        return evolve(self, **changes)

    def loaded(self) -> Topology | None:
        """Return the topology, read from its file where it is one.

        Raises:
            TopologyError: the file has faults.

        """
        if isinstance(self.topology, str | Path):
            return load_topology(Path(self.topology))
        return self.topology


def _check(name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{name} is {' or '.join(map(repr, known))}, not {value!r}")


def load_topology(path: Path) -> Topology:
    """Return a topology file's topology; it is read once for all tests, until it changes.

    Raises:
        TopologyError: the file has faults, or cannot be read.

    """
    try:
        changed_ns = path.stat().st_mtime_ns
    except OSError:
        changed_ns = 0  # loading it says what is wrong
    return _load(path, changed_ns)


@functools.lru_cache(maxsize=64)
def _load(path: Path, _changed_ns: int) -> Topology:
    from leveret.config import load

    return load(path)
