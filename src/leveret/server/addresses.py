"""The addresses a server listens on: sockets bound, and how clients name them."""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["bind_tcp", "bind_unix", "url_of"]

#: Connections that may wait to be accepted: a thousand clients that come back all at once.
BACKLOG = 1024


def bind_tcp(host: str, port: int) -> list[socket.socket]:
    """Bind every address of a host to a port; port 0 takes one that is free on the first.

    An empty host is every interface. An address family that this machine lacks is passed over as
    long as another is there.

    Raises:
        OSError: an address cannot be listened on.

    """
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    bound: list[socket.socket] = []
    try:
        for family, _, _, _, address in dict.fromkeys(found):
            if bound and not port:
                port = bound[0].getsockname()[1]
            _bind_one(family, (address[0], port, *address[2:]), bound, only=len(found) == 1)
    except OSError:
        for sock in bound:
            sock.close()
        raise
    if not bound:
        raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
    return bound


def _bind_one(
    family: int, address: tuple[object, ...], bound: list[socket.socket], *, only: bool
) -> None:
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        if only:
            raise
        return
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit it: the system finds out which clients without heartbeats are gone.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        if only or error.errno != errno.EADDRNOTAVAIL:
            raise
    else:
        bound.append(sock)


def bind_unix(path: str | Path) -> socket.socket:
    """Bind a Unix socket; a socket file that nobody listens on is replaced.

    Raises:
        OSError: somebody listens there, the file is no socket, or it cannot be made.

    """
    with suppress(FileNotFoundError):
        if stat.S_ISSOCK(os.stat(path).st_mode) and not _answers(path):
            os.unlink(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(str(path))
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def _answers(path: str | Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
    return True


def url_of(sock: socket.socket, *, tls: bool) -> str:
    """Return the URL by which a client on this machine reaches a socket."""
    if sock.family == socket.AF_UNIX:
        return f"unix:{sock.getsockname()}"
    host, port = sock.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "localhost"
    elif ":" in host:
        host = f"[{host}]"
    return f"{'amqps' if tls else 'amqp'}://{host}:{port}"
