"""Where dead letters go when they are sent back to work, as what, and what came of it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, cast

from attrs import define, field, frozen

from leveret.dead_letters.letter import RECORD_HEADERS

if TYPE_CHECKING:
    from leveret.dead_letters.letter import DeadLetter
    from leveret.properties import FieldValue

__all__ = ["BACK_TO", "Address", "CannotRedrive", "RedrivePlan", "RedriveReport", "Tally"]

#: Where letters can be sent back to: the queue of their last death, that of their first, or the
#: exchange that they were published to, with the routing keys they had then.
BACK_TO = ("last-death", "first-death", "published")


class CannotRedrive(Exception):
    """A letter stays where it is; the text says why."""


@frozen
class Address:
    """An exchange, and the routing keys a message is published with: the first, and its CC."""

    exchange: str
    routing_key: str
    extra_keys: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not self.exchange:
            return f"queue '{self.routing_key}'"
        return f"exchange '{self.exchange}', routing key '{self.routing_key}'"


@frozen
class RedrivePlan:
    """Where the letters of a dead-letter queue go: to the queue `to`, or back.

    A letter starts afresh: headers that tell of its deaths and failed attempts are left out,
    unless `keep_headers`; they would count against it. Its expiration is gone since it died
    (S106). A CC header, which would send it to further queues, is left out too, but where the
    letter goes to the exchange it was published to.

    Raises:
        ValueError: `back_to` is none of `BACK_TO`, or `to` is the dead-letter queue itself.

    """

    dead_letter_queue: str
    to: str | None = None
    back_to: str = "last-death"
    keep_headers: bool = False

    def __attrs_post_init__(self) -> None:
        if self.back_to not in BACK_TO:
            raise ValueError(f"back_to is one of {', '.join(BACK_TO)}, not {self.back_to!r}")
        if self.to == self.dead_letter_queue:
            raise ValueError(f"the letters are in queue '{self.to}' already")

    def address(self, letter: DeadLetter) -> Address:
        """Return where a letter goes.

        Raises:
            CannotRedrive: its headers do not tell, or they name the queue that it is in.

        """
        if self.to is not None:
            return Address("", self.to)
        if self.back_to == "published":
            if not letter.deaths:
                raise CannotRedrive("no x-death header says where it was published")
            return Address(letter.exchange, letter.routing_key, letter.extra_keys)
        queue = letter.queue if self.back_to == "last-death" else letter.first_queue
        if not queue:
            raise CannotRedrive("no x-death header says where it died; name a queue")
        if queue == self.dead_letter_queue:
            raise CannotRedrive(f"it died in queue '{queue}' itself; name another")
        return Address("", queue)

    def headers(self, letter: DeadLetter, address: Address) -> dict[str, FieldValue] | None:
        """Return the headers that a letter is published with; None for none."""
        left_out = {"CC"} if self.keep_headers else {"CC", *RECORD_HEADERS}
        headers: dict[str, FieldValue] = {
            name: value for name, value in letter.headers.items() if name not in left_out
        }
        if address.extra_keys:
            headers["CC"] = cast("list[FieldValue]", list(address.extra_keys))
        return headers or None


@frozen
class RedriveReport:
    """What came of a redrive, or with `dry_run` what would.

    `redriven` letters were taken by where they went, `left` were not meant, or beyond the limit,
    and stay as they were; `refused` ones stay too. `targets` counts those redriven by address.
    """

    redriven: int
    left: int
    # why letters stayed -> how many
    refused: dict[str, int]
    targets: dict[Address, int]
    dry_run: bool = False


@define
class Tally:
    """Counts what becomes of letters, while it does."""

    dry_run: bool = False
    left: int = 0
    refused: Counter[str] = field(factory=Counter)
    targets: Counter[Address] = field(factory=Counter)

    @property
    def redriven(self) -> int:
        """How many were taken by where they went."""
        return self.targets.total()

    def report(self) -> RedriveReport:
        """Return what was counted so far."""
        return RedriveReport(
            self.redriven,
            self.left,
            dict(self.refused.most_common()),
            dict(self.targets.most_common()),
            self.dry_run,
        )
