"""What the commands that talk to a broker share: connecting, and words for what goes wrong.

The client is aio-pika, which the extra `client` installs: it is imported when a command runs.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote, urlsplit

import click

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from aio_pika.abc import AbstractConnection

__all__ = [
    "Refused",
    "at_first_signal",
    "broker_url",
    "run_client",
    "until_signalled",
    "virtual_host_of",
    "without_secret",
]

T = TypeVar("T")

#: How long a broker may take to answer the first bytes, in seconds.
CONNECT_TIMEOUT_S = 10.0


def broker_url(value: str) -> str:
    """Return a URL such as amqp://user:password@host:5672/vhost; only the host must be there.

    Raises:
        click.BadParameter: it is none.

    """
    try:
        parts = urlsplit(value)
        named = parts.scheme in ("amqp", "amqps") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number
        named = False
    if not named:
        raise click.BadParameter(
            f"'{without_secret(value)}' is not of the form amqp://host:5672/vhost"
        )
    return value


class CannotConnect(click.ClickException):
    """No connection: exit status 2, as for a mistake in the command."""

    exit_code = 2


class Refused(click.ClickException):
    """The broker refused what was asked, in its words: exit status 1."""

    exit_code = 1


def run_client(url: str, work: Callable[[AbstractConnection], Coroutine[object, object, T]]) -> T:
    """Connect to a broker and return what `work` makes of the connection.

    Raises:
        CannotConnect: the broker is not there, or does not let the user in.
        Refused: the broker refused something, or went away.

    """
    try:
        import aio_pika
    except ImportError:
        raise CannotConnect("this command needs aio-pika: pip install 'leveret[client]'") from None
    # What they log is raised as well, and told here.
    for name in ("aio_pika", "aiormq"):
        logging.getLogger(name).addHandler(logging.NullHandler())

    async def talk() -> T:
        try:
            connection = await aio_pika.connect(url, timeout=CONNECT_TIMEOUT_S)
        except (aio_pika.exceptions.AMQPError, OSError, TimeoutError) as error:
            reason = str(error) or "it does not answer"
            raise CannotConnect(f"cannot connect to {without_secret(url)}: {reason}") from error
        async with connection:
            return await work(connection)

    import asyncio

    from aiormq.exceptions import ChannelInvalidStateError

    try:
        return asyncio.run(talk())
    except ChannelInvalidStateError as error:  # used once more after the broker closed it
        raise Refused("the broker closed the channel") from error
    except (aio_pika.exceptions.AMQPError, ConnectionError) as error:
        raise Refused(str(error) or type(error).__name__) from error


async def until_signalled(work: Awaitable[T]) -> T | None:
    """Wait for `work`; SIGINT or SIGTERM end it, and None is returned."""
    import asyncio
    import signal

    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        return None


def at_first_signal(call: Callable[[], object]) -> None:
    """Have `call` made at the first SIGINT or SIGTERM; a second one ends the program as usual."""
    import asyncio
    import signal

    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)

    def signalled() -> None:
        for number in numbers:
            loop.remove_signal_handler(number)
        call()

    for number in numbers:
        loop.add_signal_handler(number, signalled)


def virtual_host_of(url: str) -> str:
    """Return the virtual host that a URL names.

    >>> virtual_host_of("amqp://localhost"), virtual_host_of("amqp://localhost/a%2Fb")
    ('/', 'a/b')
    """
    return unquote(urlsplit(url).path[1:]) or "/"


def without_secret(url: str) -> str:
    """Return a URL as it may be shown.

    >>> without_secret("amqp://svc:secret@localhost/x")
    'amqp://svc@localhost/x'
    """
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    credentials, at, host = authority.rpartition("@")
    return f"{scheme}{separator}{credentials.partition(':')[0]}{at}{host}{slash}{path}"
