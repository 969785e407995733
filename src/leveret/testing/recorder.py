"""Writes down what clients declare, and makes a topology file of it: a team's first one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from leveret.engine.broker import Broker
    from leveret.engine.events import Event

__all__ = ["Recorder"]

_HEADING = "# Recorded from what clients declared while tests ran.\n"


@define(eq=False)
class Recorder:
    """What was declared in any broker it looked at: the union, the first declaration counts.

    Exclusive queues and those with names made by the broker belong to one client's connection, and
    are left out with their bindings; so is what carries a client library's own random name.
    """

    # section -> identity -> object as in RabbitMQ's definitions
    _found: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = field(
        factory=lambda: {"exchanges": {}, "queues": {}, "bindings": {}}, init=False
    )
    #: Other processes that did not tell what they found.
    missing: list[str] = field(factory=list, init=False)

    def __str__(self) -> str:
        return ", ".join(f"{len(objects)} {section}" for section, objects in self._found.items())

    def record(self, broker: Broker) -> None:
        """Look at what is in a broker, and at what is declared in it from now on."""
        for name, host in broker.virtual_hosts.items():
            for exchange in host.exchanges:
                self._exchange(broker, name, exchange)
            for queue in host.queues:
                self._queue(broker, name, queue)
            for binding in host.bindings:
                self._binding(broker, name, binding)

        def hear(event: Event) -> None:
            if event.name == "exchange.created":
                self._exchange(broker, event.virtual_host, event.fields["name"])
            elif event.name == "queue.created":
                self._queue(broker, event.virtual_host, event.fields["name"])
            elif event.name == "binding.created":
                self._binding(broker, event.virtual_host, event.fields["binding"])

        broker.events.subscribe(hear)

    def _exchange(self, broker: Broker, host: str, name: str) -> None:
        exchange = broker.virtual_hosts[host].exchanges[name]
        if name and not name.startswith("amq."):
            self._found["exchanges"].setdefault(
                (host, name),
                {
                    "name": name,
                    "vhost": host,
                    "type": exchange.type,
                    "durable": exchange.durable,
                    "auto_delete": exchange.auto_delete,
                    "internal": exchange.internal,
                    "arguments": dict(exchange.arguments),
                },
            )

    def _queue(self, broker: Broker, host: str, name: str) -> None:
        queue = broker.virtual_hosts[host].queues[name]
        if queue.exclusive_owner is None and not name.startswith("amq."):
            self._found["queues"].setdefault(
                (host, name),
                {
                    "name": name,
                    "vhost": host,
                    "durable": queue.durable,
                    "auto_delete": queue.auto_delete,
                    "type": queue.settings.type,
                    "arguments": dict(queue.arguments),
                },
            )

    def _binding(self, broker: Broker, host: str, binding: Any) -> None:
        if binding.destination_type == "queue":
            queue = broker.virtual_hosts[host].queues[binding.destination]
            if queue.exclusive_owner is not None or queue.name.startswith("amq."):
                return
        arguments = dict(binding.arguments)
        self._found["bindings"].setdefault(
            (
                host,
                binding.source,
                binding.destination_type,
                binding.destination,
                binding.routing_key,
                repr(sorted(arguments.items(), key=repr)),
            ),
            {
                "source": binding.source,
                "vhost": host,
                "destination": binding.destination,
                "destination_type": binding.destination_type,
                "routing_key": binding.routing_key,
                "arguments": arguments,
            },
        )

    # -- several processes

    def found(self) -> list[tuple[str, list[Any], dict[str, Any]]]:
        """Return what was found as values that travel between processes; see `add`."""
        return [
            (section, list(identity), value)
            for section, objects in self._found.items()
            for identity, value in objects.items()
        ]

    def add(self, found: Iterable[tuple[str, list[Any], dict[str, Any]]]) -> None:
        """Take in what another recorder found."""
        for section, identity, value in found:
            self._found[section].setdefault(tuple(identity), value)

    # -- the file

    def topology(self) -> str:
        """Return the topology file's text.

        Raises:
            TopologyError: something declared cannot be said in RabbitMQ's definitions.

        """
        import json

        from leveret.config.definitions import SECTIONS
        from leveret.config.importing import import_definitions

        hosts = dict.fromkeys(["/"])
        for objects in self._found.values():
            hosts |= dict.fromkeys(identity[0] for identity in objects)
        definitions: dict[str, list[Any]] = {
            **{section: [] for section in SECTIONS},
            "vhosts": [{"name": name} for name in hosts],
            **{section: list(objects.values()) for section, objects in self._found.items()},
        }
        text = import_definitions(json.dumps(definitions, default=str), "recorded.json").text
        body = text.splitlines(keepends=True)
        while body and body[0].startswith("#"):
            body.pop(0)
        return _HEADING + "".join(body).lstrip("\n")

    def write(self, path: Path) -> None:
        """Write the topology file.

        Raises:
            OSError: it cannot be written.
            TopologyError: as for `topology`.

        """
        path.write_text(self.topology(), encoding="utf-8")
