"""What `leveret serve` serves: a broker made from a file and options, and made again on SIGHUP."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from leveret.broker import Broker
from leveret.cli.waiting import Waiting
from leveret.engine.permissions import Permission, User, hash_password
from leveret.engine.profile import DEFAULT_PROFILE
from leveret.errors import TopologyError
from leveret.server.logs import tell

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from leveret.server import Server

__all__ = ["Setup", "WrittenUser"]


@frozen
class WrittenUser:
    """A user as an option names it: `NAME:PASSWORD`, or `NAME:PASSWORD:TAG,TAG`."""

    name: str
    password: str = field(repr=False)
    tags: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, text: str) -> WrittenUser:
        """Read the option's text.

        Raises:
            ValueError: it is not of that form.

        >>> WrittenUser.parse("svc:secret:monitoring").tags
        frozenset({'monitoring'})

        """
        name, *rest = text.split(":")
        if not name or len(rest) not in (1, 2):
            raise ValueError("write NAME:PASSWORD, or NAME:PASSWORD:TAG,TAG")
        tags = rest[1].split(",") if len(rest) == 2 else []
        return cls(name, rest[0], frozenset(tag for tag in tags if tag))


@define(eq=False)
class Setup:
    """The topology file, and what the options add to it: users and virtual hosts.

    Such a user may do everything in every virtual host.
    """

    file: Path | None
    profile: str | None = None
    virtual_hosts: Sequence[str] = ()
    users: Sequence[WrittenUser] = ()
    #: Where what is durable is kept; None keeps nothing.
    data: Path | None = None
    #: When messages take more, those of long queues leave memory; None lets all stay.
    memory_bytes: int | None = None

    def broker(self) -> Broker:
        """Make the broker.

        Raises:
            OSError: the file cannot be read.
            StorageError: the data directory cannot be used.
            TopologyError: the file has faults, or declares what the broker refuses.

        """
        if self.file is None:
            broker = Broker(self.profile or DEFAULT_PROFILE.version)
            self._open_data(broker)
        else:
            # The language of topology files is not imported where there is none.
            from leveret.config import load
            from leveret.declare import declare

            topology = load(self.file)
            broker = Broker(self.profile or topology.compatibility)
            self._open_data(broker)
            declare(topology, broker)
        for user in self.users:
            hashed = hash_password(user.password, broker.random)
            broker.users.add(User(user.name, hashed, user.tags))
        self._open_virtual_hosts(broker)
        broker.flush()
        return broker

    def _open_data(self, broker: Broker) -> None:
        data = self.data
        if data is None:
            return
        with Waiting("recovering") as waiting:
            recovery = broker.open_data(data, memory_bytes=self.memory_bytes, progress=waiting.tell)
        if recovery.objects:
            tell(
                logging.INFO,
                "recovered",
                data=data,
                objects=recovery.objects,
                messages=recovery.messages,
                seconds=round(recovery.seconds, 3),
            )

    def _open_virtual_hosts(self, broker: Broker) -> None:
        for name in self.virtual_hosts:
            broker.add_virtual_host(name)
        everywhere = [user.name for user in self.users]
        if "guest" in broker.users:
            everywhere.append("guest")
        for name in broker.virtual_hosts:
            for user in everywhere:
                if broker.users.access(user, name) is None:
                    broker.users.set_permission(user, name, Permission())

    async def reload(self, server: Server, broker: Broker) -> None:
        """Read the files again: certificates, and what the topology file has that is new.

        What the broker refuses is logged; nothing is deleted that the file lacks.
        """
        try:
            await server.reload_tls()
        except OSError as error:
            tell(logging.ERROR, "certificates not read", reason=error)
        if self.file is None:
            return
        from leveret.config import load
        from leveret.declare import declare

        loop = asyncio.get_running_loop()
        try:
            # A large file takes seconds to read: clients need not wait.
            topology = await loop.run_in_executor(None, load, self.file)
        except OSError as error:
            tell(logging.ERROR, "topology not read", file=self.file, reason=error)
            return
        except TopologyError as error:
            _tell_faults(error)
            return
        try:
            declare(topology, broker)
        except TopologyError as error:
            _tell_faults(error)
        self._open_virtual_hosts(broker)
        hosts = broker.virtual_hosts.values()
        tell(
            logging.INFO,
            "topology read again",
            file=self.file,
            queues=sum(len(host.queues) for host in hosts),
            exchanges=sum(len(host.exchanges) for host in hosts),
        )


def _tell_faults(error: TopologyError) -> None:
    for fault in error.faults:
        tell(
            logging.ERROR,
            "topology refused",
            position=fault.position,
            reason=fault.message,
            remedy=fault.remedy,
        )
