"""A broker served to AMQP clients in the running loop."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from leveret.server import Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from leveret.engine.broker import Broker
    from leveret.server import ServerLimits
    from leveret.server.tls import TLS

__all__ = ["serve"]


@asynccontextmanager
async def serve(
    broker: Broker,
    port: int = 5672,
    host: str = "127.0.0.1",
    *,
    tls: TLS | None = None,
    unix_socket: str | Path | None = None,
    limits: ServerLimits | None = None,
    virtual_host: str | None = None,
) -> AsyncIterator[Server]:
    """Serve a broker to AMQP clients while the context lasts; port 0 takes a free one.

    The server has `url` and `port`. The loop's own thread goes on using the broker, between turns;
    callbacks are called in turns of their own. `unix_socket` is listened on as well.

    ```python
    async with leveret.aio.serve(broker, port=0) as server:
        connection = await aio_pika.connect(server.url)
    ```

    Raises:
        OSError: the address cannot be listened on.
        RuntimeError: the broker is served already.

    """
    server = Server(broker, limits=limits, virtual_host=virtual_host)
    try:
        await server.start(host, port, tls=tls)
        if unix_socket is not None:
            await server.start_unix(unix_socket)
        yield server
    finally:
        await server.stop()
