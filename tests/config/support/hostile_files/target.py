"""Reads a file in every way that leveret reads files, and asserts that it is told, and soon."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

from attrs import define, field

from leveret.config import Topology, format_topology, loads
from leveret.config.anyfile import loads_any
from leveret.config.draw_parts import TooLargeToDrawError
from leveret.config.expand import expand_to_json
from leveret.config.importing import import_definitions
from leveret.config.lint import lint
from leveret.config.loader import attempt
from leveret.config.model import COMPATIBILITIES
from leveret.errors import TopologyError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

__all__ = ["CONSTANT_S", "PER_MIB_S", "Target"]

#: Processor time that a file may take in each of the ways, in seconds: a part for its size, and
#: one for what does not depend on it, generous since processors are shared.
PER_MIB_S = 1.0
CONSTANT_S = 2.0

_ENVIRONMENT = {"A": "a"}

#: Names explained of one file: to explain all of many costs the square of them.
_MOST_EXPLAINED = 12


@define
class Target:
    """Takes one file after the other; what is different from file to file is chosen by chance."""

    random: Random
    executions: int = field(default=0, init=False)
    #: How many of the files had no fault.
    good: int = field(default=0, init=False)
    #: The longest time that one way took, in seconds beyond what its size allows, and which.
    longest: tuple[float, str] = field(default=(0.0, ""), init=False)
    _last: Topology | None = field(default=None, init=False)

    def run(self, data: bytes) -> None:
        """Read a file in every way; whatever else happens than a kind refusal is an error."""
        self.executions += 1
        ways = self._ways(data)
        began = time.process_time()
        for way in ways:
            now = time.process_time()
            took = now - began - PER_MIB_S * len(data) / 2**20
            self.longest = max(self.longest, (took, way))
            assert took < CONSTANT_S, f"{way}: {now - began:.1f} s for {len(data):,} bytes"
            began = time.process_time()

    def _ways(self, data: bytes) -> Iterator[str]:
        topology, faults = attempt(data, "t.yaml", environment=_ENVIRONMENT)
        assert all(fault.remedy and "\x1b" not in str(fault) for fault in faults)
        yield "load"
        if topology is not None:
            profile = self.random.choice(COMPATIBILITIES)
            found = lint(topology, profile, notes=True, is_whole=not faults)
            assert all(one.remedy and "\x1b" not in str(one) for one in found)
            yield "check"
        try:
            written = format_topology(data)
        except TopologyError:
            assert faults or b"$" in data or b"!" in data or b"include" in data or len(data) > 100
        else:
            yield "fmt"
            assert format_topology(written) == written
        yield "fmt again"
        yield from self._imported(data)
        if topology is not None and not faults:
            self.good += 1
            yield from self._good(topology)

    def _imported(self, data: bytes) -> Iterator[str]:
        try:
            loads_any(data, "t.json", environment=_ENVIRONMENT)
        except TopologyError as refusal:
            _told(*(fault.remedy for fault in refusal.faults))
        yield "load either kind"
        try:
            imported = import_definitions(data, "t.json")
        except TopologyError as refusal:
            _told(*(fault.remedy for fault in refusal.faults))
        else:
            yield "import"
            loads(imported.text, environment=_ENVIRONMENT)
            yield "load what was imported"
            json.dumps(imported.topology.to_definitions())
            yield "export what was imported"

    def _good(self, topology: Topology) -> Iterator[str]:
        expanded = topology.expand(comments=True)
        yield "expand"
        loads(expanded, environment=_ENVIRONMENT)
        yield "load what was expanded"
        try:
            expand_to_json(topology)
        except ValueError as refusal:  # of infinite numbers
            _told(str(refusal))
        yield "expand to JSON"
        exported = json.dumps(topology.to_definitions())
        yield "export"
        again = topology
        if not {"NaN", "Infinity"} & set(re.findall(r"\w+", exported)):
            again = import_definitions(exported).topology
        yield "import what was exported"
        assert not topology.diff(topology)
        for other in (again, self._last or again):
            difference = topology.diff(other)
            assert str(difference)
            json.dumps(difference.to_dict())
        self._last = topology
        yield "diff"
        for form in ("mermaid", "dot", "svg")[: 2 + (self.executions % 20 == 0)]:
            try:
                assert topology.draw(form)  # type: ignore[arg-type]
            except TooLargeToDrawError as refusal:
                _told(str(refusal))
            yield f"draw {form}"
        yield from self._explained(topology)

    def _explained(self, topology: Topology) -> Iterator[str]:
        for host in topology.virtual_hosts.values():
            queues, exchanges = list(host.queues), list(host.exchanges)
            for name in self.random.sample(queues, min(len(queues), _MOST_EXPLAINED)):
                queue = topology.explain(name, kind="queue", virtual_host=host.name)
                assert str(queue)
                queue.to_json()
                yield f"explain queue {name!r}"
            for name in self.random.sample(exchanges, min(len(exchanges), _MOST_EXPLAINED)):
                exchange = topology.explain(name, kind="exchange", virtual_host=host.name)
                assert str(exchange)
                exchange.to_json()
                yield f"explain exchange {name!r}"
            if queues:
                one, other = self.random.choice(queues), self.random.choice(queues)
                assert str(topology.explain_pair(one, other, virtual_host=host.name))
                yield "explain two queues"


def _told(*texts: str) -> None:
    """Assert that a refusal says something, each time."""
    assert texts
    assert all(texts)
