"""Why something cannot be explained: nothing, or more than one thing, has the name."""

from __future__ import annotations

from leveret.errors import LeveretError

__all__ = ["AmbiguousNameError", "UnknownNameError"]


class UnknownNameError(LeveretError, LookupError):
    """A topology has nothing of that name; `remedy` says what may have been meant."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


class AmbiguousNameError(LeveretError, ValueError):
    """Both a queue and an exchange have the name."""
