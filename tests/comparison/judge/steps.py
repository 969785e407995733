"""Steps of a conversation: one call on one channel, as plain data, written and read as a script.

A script has a call a line, on a channel named by its connection and a number. Connections `a` and
`b` have two channels each: `a1.queue_declare(queue='q1', durable=True)`. Acknowledgements name
their delivery by `nth`, counting those the channel holds, since tags may differ between the sides.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["CHANNELS", "Step", "parse", "render"]

CHANNELS = ("a1", "a2", "b1", "b2")


@frozen
class Step:
    """One call. A channel that is closed opens by itself.

    Calls that are not methods of a channel: `close_connection`, and `wait`, for some `ms`.
    """

    channel: str
    call: str
    arguments: Mapping[str, Any] = field(factory=dict)  # parameter, as pika names it -> value

    @property
    def connection(self) -> str:
        """The connection that the channel is on."""
        return self.channel[0]

    def __str__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"{self.channel}.{self.call}({arguments})"


def render(steps: Iterable[Step]) -> str:
    """Write steps as a script."""
    return "\n".join(map(str, steps))


def parse(script: str) -> list[Step]:
    """Read a script; empty lines and comments are skipped.

    Raises:
        ValueError: a line that is not a call on a channel.

    """
    return [_step(statement) for statement in ast.parse(script.strip()).body]


def _step(statement: ast.stmt) -> Step:
    match statement:
        case ast.Expr(
            ast.Call(func=ast.Attribute(value=ast.Name(id=channel), attr=call), args=[])
        ) if channel in CHANNELS:
            keywords = statement.value.keywords  # type: ignore[attr-defined]
            return Step(channel, call, {k.arg: _value(k.value) for k in keywords})
    raise ValueError(f"not a step: {ast.unparse(statement)}")


def _value(node: ast.expr) -> Any:
    # Times and decimals are written as the calls that make them, which literal_eval refuses.
    import datetime
    from decimal import Decimal

    names = {"datetime": datetime, "Decimal": Decimal}
    return eval(compile(ast.Expression(node), "script", "eval"), {"__builtins__": {}}, names)
