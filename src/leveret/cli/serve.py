"""`leveret serve`: an AMQP 0-9-1 server for any client, with a topology file's objects in it."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leveret.cli.screen import show_faults
from leveret.cli.topologies import TOPOLOGY_FILE, CannotRead
from leveret.errors import TopologyError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leveret.broker import Broker
    from leveret.cli.serve_setup import Setup, WrittenUser
    from leveret.server import Server, TLSFiles

__all__ = ["serve"]

AMQP_PORT, AMQPS_PORT = 5672, 5671
_PEM = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)
_NEW_FILE = click.Path(dir_okay=False, path_type=Path)


class CannotServe(click.ClickException):
    """The server could not be started as the options say: exit status 2."""

    exit_code = 2


@click.command()
@click.argument("file", required=False, type=TOPOLOGY_FILE)
@click.option(
    "--host", default="127.0.0.1", show_default=True, help='The address; "" is every interface.'
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="The port; 0 takes a free one.  [default: 5672, with TLS 5671]",
)
@click.option("--unix-socket", type=_NEW_FILE, help="Listen on this Unix socket too.")
@click.option("--tls-cert", type=_PEM, help="Speak TLS, with this certificate (PEM).")
@click.option("--tls-key", type=_PEM, help="The certificate's key, if it is in another file.")
@click.option("--tls-ca", type=_PEM, help="Take certificates of clients that it signed (EXTERNAL).")
@click.option("--tls-verify", is_flag=True, help="Refuse clients without such a certificate.")
@click.option(
    "--tls-login-from",
    type=click.Choice(["common_name", "subject_alternative_name"]),
    default="common_name",
    show_default=True,
    help="What in a client's certificate is its user's name.",
)
@click.option(
    "--profile",
    type=click.Choice(["3.10", "3.13", "4.2", "4.3"]),
    help="The RabbitMQ version to behave like.  [default: the file's, or 4.2]",
)
@click.option(
    "--vhost", "vhosts", metavar="NAME", multiple=True, help="Have this virtual host too."
)
@click.option(
    "--user",
    "users",
    metavar="NAME:PASSWORD[:TAGS]",
    multiple=True,
    help="Have this user too, who may do everything in every virtual host.",
)
@click.option(
    "--data",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep what is durable in this directory, and bring back what is there.",
)
@click.option("--anonymous", is_flag=True, help="Let clients in without a name, as guest.")
@click.option(
    "--max-connections", type=click.IntRange(1), default=20_000, show_default=True, metavar="N"
)
@click.option(
    "--memory-limit",
    metavar="SIZE",
    help="Stop publishers when messages take more, such as 512MiB.  [default: 40 % of memory]",
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How log entries look on stderr.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
)
@click.option(
    "--ready-file", type=_NEW_FILE, help="A file that has the URLs while clients can connect."
)
@click.pass_context
def serve(context: click.Context, /, file: Path | None, **options: Any) -> None:
    """Serve the topology in FILE, or an empty broker, to AMQP 0-9-1 clients.

    SIGTERM or SIGINT stops it: every client is told, and has two seconds to answer; a second signal
    ends it at once. SIGHUP has it read the certificates and FILE again: what is new is declared,
    what is refused is logged, nothing is deleted.

    Exit status: 0 when it was stopped, 1 when FILE has faults or the stop was forced, 2 when it
    could not be started.
    """
    from leveret.cli.serve_setup import Setup
    from leveret.server import Server, ServerLimits
    from leveret.server.logs import configure_logs
    from leveret.server.memory import MemoryAlarm
    from leveret.server.program import Program, run_program

    tls = _tls(options)
    limits = ServerLimits(
        connections=options["max_connections"], memory_bytes=_size(options["memory_limit"])
    )
    setup = Setup(
        file,
        options["profile"],
        options["vhosts"],
        _users(options["users"]),
        options["data"],
        MemoryAlarm.of(limits.memory_bytes).high_bytes // 2,
    )
    port = options["port"]
    if port is None:
        port = AMQPS_PORT if tls else AMQP_PORT
    configure_logs(options["log_format"], options["log_level"], sys.stderr)
    broker = _broker(setup)
    _allow_files(options["max_connections"])

    async def listen(server: Server) -> None:
        with _starting(f"{options['host'] or '*'}:{port}"):
            await server.start(options["host"], port, tls=tls)
        if options["unix_socket"] is not None:
            with _starting(str(options["unix_socket"])):
                await server.start_unix(options["unix_socket"])

    def program() -> Program:
        return Program(
            Server(broker, limits=limits, anonymous=options["anonymous"]),
            listen,
            _announce,
            lambda server: setup.reload(server, broker),
            options["ready_file"],
        )

    with _starting(str(options["ready_file"])), _closing(broker):
        peaceful = run_program(program)
    context.exit(0 if peaceful else 1)


def _announce(urls: list[str]) -> None:
    for url in urls:
        click.echo(f"listening on {url}")
    sys.stdout.flush()


@contextmanager
def _starting(what: str) -> Iterator[None]:
    """Turn what the system refuses into a word for the terminal."""
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CannotServe(f"cannot serve on {what}: {reason}") from error


@contextmanager
def _closing(broker: Broker) -> Iterator[None]:
    """Close a broker in the end; what the disk refuses to the last is said."""
    from leveret.storage import StorageError

    try:
        yield
    finally:
        try:
            broker.close()
        except StorageError as error:
            raise CannotServe(f"what was not confirmed is lost: {error}") from None


def _broker(setup: Setup) -> Broker:
    from leveret.storage import StorageError

    try:
        return setup.broker()
    except StorageError as error:
        raise CannotServe(str(error)) from None
    except TopologyError as error:
        show_faults(error.faults)
        raise click.exceptions.Exit(1) from None
    except OSError as error:
        raise CannotRead(str(setup.file), error) from error


def _tls(options: dict[str, Any]) -> TLSFiles | None:
    """Return the TLS files that the options name, once they were found good."""
    from leveret.server import TLSFiles

    if options["tls_cert"] is None:
        for name in ("tls_key", "tls_ca"):
            if options[name] is not None:
                raise click.UsageError(f"--{name.replace('_', '-')} needs --tls-cert")
        return None
    if options["tls_verify"] and options["tls_ca"] is None:
        raise click.UsageError("--tls-verify needs --tls-ca")
    files = TLSFiles(
        options["tls_cert"],
        options["tls_key"],
        options["tls_ca"],
        options["tls_verify"],
        options["tls_login_from"],
    )
    try:
        files.context()
    except OSError as error:
        raise CannotServe(f"cannot speak TLS with {options['tls_cert']}: {error}") from error
    return files


def _users(texts: tuple[str, ...]) -> list[WrittenUser]:
    from leveret.cli.serve_setup import WrittenUser

    try:
        return [WrittenUser.parse(text) for text in texts]
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--user") from None


def _size(text: str | None) -> int | None:
    if text is None:
        return None
    from leveret.config.quantities import QuantityError, parse_size

    try:
        return parse_size(text)
    except QuantityError as error:
        message = f"'{text}' {error}: {error.remedy}"
        raise click.BadParameter(message, param_hint="--memory-limit") from None


def _allow_files(connections: int) -> None:
    """Let this process open a file for each connection, as far as the system allows it."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + 100
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
