"""The broker on asyncio: open in the running loop, or served in it to AMQP clients.

`open` makes a `Service`, which is what `leveret.open` makes for threads, with the same names and
the same meaning: what waits there is a coroutine here.
"""

from leveret.aio.consumer import Consumer
from leveret.aio.delivery import Delayed, Delivery
from leveret.aio.service import Service
from leveret.aio.serving import serve
from leveret.aio.worker import Worker

#: `leveret.aio.open`: opening a service is making one.
open = Service  # noqa: A001 # read as leveret.aio.open

__all__ = ["Consumer", "Delayed", "Delivery", "Service", "Worker", "open", "serve"]
