"""Who looks into a message before a virtual host takes it: for exchanges and queues, by name.

A port: what is looked for, and with what, is not the engine's. Nothing is asked where nobody has
set a validator, and of a message that a client publishes alone: dead letters and what a binding
brings on were looked at before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from attrs import define, field, frozen

from leveret.errors import PreconditionFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from leveret.engine.statistics import ValidatorStatistics
    from leveret.queues import AnyMessage, Queue

__all__ = ["Validator", "Validators", "Violation"]


@frozen
class Violation:
    """What is wrong with a message, as in "message for exchange 'e' {text}"."""

    text: str
    #: Whether it is refused for it; else it is counted and goes on.
    is_refused: bool = True


class Validator(Protocol):
    """Looks into messages."""

    def violation(self, message: AnyMessage) -> Violation | None:
        """Return what is wrong with a message, or None."""
        ...


@define(eq=False)
class _Watched:
    """A validator at its place, and what it found."""

    validator: Validator
    checked: int = 0
    violations: int = 0
    refused: int = 0


@define(eq=False)
class Validators:
    """The validators of a virtual host."""

    #: Called when they change: what was remembered of exchanges holds no more.
    _changed: Callable[[], object]
    #: Whether there is any: what publishing asks first.
    active: bool = field(default=False, init=False)
    _exchanges: dict[str, _Watched] = field(factory=dict, init=False)  # exchange -> its validator
    _queues: dict[str, _Watched] = field(factory=dict, init=False)  # queue -> its validator

    def set_for_exchange(self, name: str, validator: Validator | None) -> None:
        """Have what is published to an exchange looked into; None ends that."""
        self._set(self._exchanges, name, validator)

    def set_for_queue(self, name: str, validator: Validator | None) -> None:
        """Have what is published and would reach a queue looked into; None ends that."""
        self._set(self._queues, name, validator)

    def _set(self, place: dict[str, _Watched], name: str, validator: Validator | None) -> None:
        if validator is None:
            place.pop(name, None)
        else:
            place[name] = _Watched(validator)
        self.active = bool(self._exchanges or self._queues)
        self._changed()

    def watches(self, exchange: str) -> bool:
        """Say whether what is published to an exchange has to be looked into."""
        return bool(self._queues) or exchange in self._exchanges

    def check(self, message: AnyMessage, targets: Iterable[Queue]) -> None:
        """Look into a message that is published, on its way to some queues.

        Raises:
            PreconditionFailed: it is refused; nothing has taken it.

        """
        watched = self._exchanges.get(message.exchange)
        if watched is not None:
            _look(watched, "exchange", message.exchange, message)
        for queue in targets if self._queues else ():
            watched = self._queues.get(queue.name)
            if watched is not None:
                _look(watched, "queue", queue.name, message)

    def statistics(self) -> tuple[ValidatorStatistics, ...]:
        """Return what was found, exchanges first."""
        from leveret.engine.statistics import ValidatorStatistics

        return tuple(
            ValidatorStatistics(kind, name, one.checked, one.violations, one.refused)
            for kind, place in (("exchange", self._exchanges), ("queue", self._queues))
            for name, one in place.items()
        )


def _look(watched: _Watched, kind: str, name: str, message: AnyMessage) -> None:
    watched.checked += 1
    found = watched.validator.violation(message)
    if found is None:
        return
    watched.violations += 1
    if found.is_refused:
        watched.refused += 1
        raise PreconditionFailed(f"message for {kind} '{name}' {found.text}")
