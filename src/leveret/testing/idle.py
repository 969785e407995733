"""Whether anything is in flight between a broker and its clients, seen without asking a client.

Bytes that a client has sent wait in the broker's socket, or have been worked off; bytes for a
client wait in the broker, or are the client's. What a client does with a delivery shows in its
acknowledgement; where there is none to come, a delivery is handled when the client has it.
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING

from leveret.testing.state import held_messages

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from leveret.engine.broker import Broker
    from leveret.server.transport import ClientTransport
    from leveret.testing.watched import WatchedServer

__all__ = ["client_name", "in_flight", "unhandled"]


def client_name(client: ClientTransport) -> str:
    """Return what tells a client from others: its port, and its connection's name if it has one."""
    name = client.connection.client_properties.get("connection_name")
    return f"{name} ({client.peer})" if isinstance(name, str) else client.peer


def in_flight(broker: Broker, server: WatchedServer, *, handled: bool) -> list[str]:
    """Return what is in flight, a line each; the caller holds the server's lock.

    `handled` counts deliveries that consumers have not settled.
    """
    found = [line for client in server.clients for line in _of_client(client)]
    deadline_ms = broker.next_deadline_ms()
    if deadline_ms is not None and deadline_ms <= broker.clock.now_ms():
        found.append("a timer of the broker is due")
    if handled:
        found += unhandled(broker, server)
    return found


def _of_client(client: ClientTransport) -> Iterator[str]:
    transport, connection = client.transport, client.connection
    if transport is None:
        return
    name = client_name(client)
    unfinished = any(channel.content is not None for channel in connection.channels.values())
    if connection.behind or unfinished or (not connection.blocked and _is_unread(transport)):
        yield f"{name} sent what is not worked off yet"
    if connection.out or transport.get_write_buffer_size():
        yield f"{name} has not been sent all that is for it"


def _is_unread(transport: asyncio.Transport) -> bool:
    """Say whether something waits in a client's socket: bytes, or that the client is gone."""
    sock = transport.get_extra_info("socket")
    if transport.is_closing() or sock is None or sock.fileno() < 0:
        return False
    if not hasattr(select, "poll"):  # Windows
        return bool(select.select([sock], [], [], 0)[0])
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


def unhandled(broker: Broker, server: WatchedServer) -> list[str]:
    """Return the deliveries that are not settled, a line for each channel, queue and consumer."""
    names = {id(client.connection.engine): client_name(client) for client in server.clients}
    # (who, channel number, queue, consumer tag) -> messages
    counts: dict[tuple[str, int, str, str], int] = {}
    for channel, entry in held_messages(broker):
        if entry.consumer is not None:
            who = names.get(id(channel.connection), "this process")
            key = (who, channel.number, entry.queue.name, entry.consumer.tag)
            counts[key] = counts.get(key, 0) + 1
    return [
        f"{count} of queue {queue!r} delivered to consumer {tag!r} of {who}, not acknowledged"
        for (who, _, queue, tag), count in counts.items()
    ]
