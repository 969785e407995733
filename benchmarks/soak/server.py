"""The server under load: a process of its own, looked at from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from attrs import define, field, frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Sample", "WatchedServer"]

TOPOLOGY = Path(__file__).with_name("topology.yaml")
#: Why clients are gone that were killed.
KILLED = "client closed the socket unexpectedly"
STARTS_IN_S = 30.0
ENDS_IN_S = 30.0


@frozen
class Sample:
    """What the server has taken some time after its start: bytes, descriptors, CPU time."""

    at_s: float
    resident_bytes: int
    descriptors: int
    cpu_s: float


@define(eq=False)
class WatchedServer:
    """`leveret serve`, from `with` to the end of it."""

    folder: Path
    options: Sequence[str] = ()
    topology: Path | None = TOPOLOGY
    port: int = field(default=0, init=False)
    samples: list[Sample] = field(factory=list, init=False)
    #: What it returned; None while it runs.
    status: int | None = field(default=None, init=False)
    _process: subprocess.Popen[bytes] = field(init=False)
    _started: float = field(init=False)

    @property
    def _ready(self) -> Path:
        return self.folder / "ready"

    @property
    def log(self) -> Path:
        """Its log: JSON, one entry a line."""
        return self.folder / "server.jsonl"

    def __enter__(self) -> Self:
        self.start()
        self.wait_until_ready()
        return self

    def start(self) -> None:
        """Start it, and wait for nothing."""
        self._ready.unlink(missing_ok=True)
        command = [sys.executable, "-m", "leveret", "serve", "--port", "0"]
        command += [str(self.topology)] if self.topology else []
        command += ["--log-format", "json", "--ready-file", str(self._ready), *self.options]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)
        self._started = time.monotonic()

    def wait_until_ready(self) -> None:
        """Wait until clients can connect.

        Raises:
            RuntimeError: it ended, or took too long.

        """
        ready = self._ready
        while not ready.exists():
            late = time.monotonic() > self._started + STARTS_IN_S
            if late or self._process.poll() is not None:
                self._process.kill()
                raise RuntimeError(f"the server did not start: {self.log.read_text()}")
            time.sleep(0.05)
        self.port = int(ready.read_text().split(":")[-1])

    def __exit__(self, *_: object) -> None:
        if self.status is None:
            self.kill()

    def kill(self) -> None:
        """End it at once, wherever it is: SIGKILL."""
        self._process.kill()
        self._process.wait()

    def sample(self) -> Sample:
        """Look at it now, and keep what was seen."""
        process = Path("/proc", str(self._process.pid))
        pages = int((process / "statm").read_text().split()[1])
        times = (process / "stat").read_text().rpartition(")")[2].split()[11:13]
        seen = Sample(
            time.monotonic() - self._started,
            pages * os.sysconf("SC_PAGE_SIZE"),
            len(os.listdir(process / "fd")),
            sum(map(int, times)) / os.sysconf("SC_CLK_TCK"),
        )
        self.samples.append(seen)
        return seen

    def stop(self) -> None:
        """End it as an operator would, and note what it returns."""
        self._process.send_signal(signal.SIGTERM)
        self.status = self._process.wait(ENDS_IN_S)

    def complaints(self) -> list[str]:
        """Return what it should not have logged: errors, and clients that it sent away."""
        lines = self.log.read_text().splitlines()
        return [line for line in lines if not _is_expected(line)]


def _is_expected(line: str) -> bool:
    try:
        entry = json.loads(line)
    except ValueError:
        return False
    if entry["level"] == "warning" and entry["event"] == "client gone":
        return bool(entry["reason"] == KILLED)
    return bool(entry["level"] == "info")
