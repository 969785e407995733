"""What the commands on data directories share: a bar while they work, and how they fail."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from leveret.cli.waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["CannotUse", "waiting_for"]


class CannotUse(click.ClickException):
    """A data directory that cannot be used: exit status 2."""

    exit_code = 2


@contextmanager
def waiting_for(what: str) -> Iterator[Callable[[float], object]]:
    """Show how far it is; what cannot be used ends the command."""
    from leveret.storage import StorageError

    try:
        with Waiting(what) as waiting:
            yield waiting.tell
    except StorageError as error:
        raise CannotUse(str(error)) from None
