"""A server that can be watched, and whose memory alarm rings when a test wants it to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leveret.server.listener import Server
from leveret.testing.changes import Changes

if TYPE_CHECKING:
    from leveret.server.transport import ClientTransport

__all__ = ["WatchedServer"]


class WatchedServer(Server):
    """Tells when input was worked off, output written, or a client gone."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        #: Told by the server's thread, with the lock held.
        self.changes = Changes()
        self._high_bytes = self.alarm.high_bytes

    @property
    def clients(self) -> list[ClientTransport]:
        """The clients connected now, in the order in which they came; hold the lock to look."""
        return list(self._clients.values())

    def ring(self, ringing: bool) -> None:
        """Set the memory alarm, or leave it to the memory. In the loop's thread, with the lock."""
        self.alarm.high_bytes = -1 if ringing else self._high_bytes
        self._measure()

    # -- what is told

    def received(self, size: int) -> None:
        """Count bytes of input, and tell that they were worked off."""
        super().received(size)
        self.changes.tell()

    def gone(self, client: ClientTransport, *, polite: bool) -> None:
        """Take note that a client is gone, and tell."""
        super().gone(client, polite=polite)
        self.changes.tell()

    def _flush(self) -> None:
        super()._flush()
        self.changes.tell()
