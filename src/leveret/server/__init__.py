"""An asyncio server that speaks AMQP 0-9-1 to any client."""

from leveret.server.limits import ServerLimits
from leveret.server.listener import Server
from leveret.server.tls import TLSFiles

__all__ = ["Server", "ServerLimits", "TLSFiles"]
