"""What a run of messages came to: what each queue holds, what reached none, what was refused.

`RunReport.to_dict` is the shape of `leveret run --json`; docs/cli.md describes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import asdict, frozen

if TYPE_CHECKING:
    from leveret.errors import Fault

__all__ = ["QueueReport", "RunReport", "UnroutableReport", "fault_to_dict"]


@frozen
class QueueReport:
    """What one queue holds at the end: messages ready, bytes of their bodies, who stands where.

    `dead_lettered` counts those of its messages that came here out of another queue; the two
    routing keys are those of the messages at the head and at the tail, None in an empty queue.
    """

    queue: str
    messages: int
    bytes: int
    dead_lettered: int
    first_routing_key: str | None
    last_routing_key: str | None


@frozen
class UnroutableReport:
    """How many messages of one exchange and routing key reached no queue."""

    exchange: str
    routing_key: str
    messages: int


@frozen
class RunReport:
    """The outcome of publishing every line of a messages file.

    `lines` counts those that hold something; each is `routed` (it reached a queue, or the
    exchange had an alternate), `unroutable`, or `refused` (it is in `faults`).
    """

    lines: int
    routed: int
    unroutable: int
    refused: int
    queues: tuple[QueueReport, ...]
    unroutable_keys: tuple[UnroutableReport, ...]
    faults: tuple[Fault, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "lines": self.lines,
            "routed": self.routed,
            "unroutable": self.unroutable,
            "refused": self.refused,
            "queues": [asdict(queue) for queue in self.queues],
            "unroutable_keys": [asdict(key) for key in self.unroutable_keys],
            "faults": [fault_to_dict(fault) for fault in self.faults],
        }


def fault_to_dict(fault: Fault) -> dict[str, Any]:
    """Return a fault as JSON values: file, line, column, severity, message, remedy."""
    return {
        "file": fault.position.file,
        "line": fault.position.line,
        "column": fault.position.column,
        "severity": "error",
        "message": fault.message,
        "remedy": fault.remedy,
    }
