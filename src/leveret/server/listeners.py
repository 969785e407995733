"""The sockets that a server listens on, with the TLS in front of them."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from typing import TYPE_CHECKING, Any

from attrs import define, field

from leveret.server.addresses import BACKLOG, url_of
from leveret.server.logs import tell
from leveret.server.tls import TLSFiles

if TYPE_CHECKING:
    import asyncio
    import ssl
    from collections.abc import Callable

    from leveret.server.tls import TLS, LoginFrom

__all__ = ["Listeners", "context_of"]


@define(eq=False)
class _Listener:
    """A socket listened on. It stays open while the TLS in front of it is exchanged."""

    sock: socket.socket
    tls: TLS | None
    accepting: asyncio.AbstractServer


@define(eq=False)
class Listeners:
    """Accepts clients; `client` makes the protocol of one, told how its certificate names it."""

    client: Callable[[LoginFrom], asyncio.BaseProtocol]
    handshake_s: float
    #: Where it listens, as URLs in the order in which they were opened.
    urls: list[str] = field(factory=list, init=False)
    _open: list[_Listener] = field(factory=list, init=False)

    def __bool__(self) -> bool:
        return bool(self._open)

    async def listen(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        tls: TLS | None,
        context: ssl.SSLContext | None,
    ) -> None:
        """Accept clients on a socket that is bound; `context` is what `tls` came to."""
        accepting = await self._accept(loop, sock, tls, context)
        self._open.append(_Listener(sock, tls, accepting))
        self.urls.append(url_of(sock, tls=tls is not None))
        tell(logging.INFO, "listening", url=self.urls[-1])

    async def reload_tls(self, loop: asyncio.AbstractEventLoop) -> None:
        """Read certificates again, for connections from now on.

        Raises:
            OSError: a file cannot be read; everything stays as it was.

        """
        contexts = [context_of(listener.tls) for listener in self._open]
        for listener, context in zip(self._open, contexts, strict=True):
            if context is not None:
                old = listener.accepting
                listener.accepting = await self._accept(loop, listener.sock, listener.tls, context)
                old.close()

    def close(self) -> None:
        """Accept no more clients."""
        for listener in self._open:
            listener.accepting.close()
            _close(listener.sock)
        self._open.clear()

    async def _accept(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        tls: TLS | None,
        context: ssl.SSLContext | None,
    ) -> asyncio.AbstractServer:
        login_from = tls.login_from if isinstance(tls, TLSFiles) else "common_name"
        arguments: dict[str, Any] = {"sock": sock.dup(), "backlog": BACKLOG}
        if context is not None:
            arguments |= {"ssl": context, "ssl_handshake_timeout": self.handshake_s}

        def client() -> asyncio.BaseProtocol:
            return self.client(login_from)

        if sock.family == socket.AF_UNIX:
            return await loop.create_unix_server(client, **arguments)
        return await loop.create_server(client, **arguments)


def context_of(tls: TLS | None) -> ssl.SSLContext | None:
    """Return what TLS is spoken with, files read now; None for none.

    Raises:
        OSError: a file cannot be read, or does not hold what it should.

    """
    return tls.context() if isinstance(tls, TLSFiles) else tls


def _close(sock: socket.socket) -> None:
    """Close a listening socket; a Unix socket's file goes with it."""
    path = sock.getsockname()
    sock.close()
    if isinstance(path, str) and path:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
