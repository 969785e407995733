"""A mix-in for `unittest` test cases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from leveret.testing.amqp import Amqp
from leveret.testing.settings import Settings

if TYPE_CHECKING:
    import unittest

    _Base = unittest.TestCase
else:
    _Base = object

__all__ = ["LeveretTestCase"]


class LeveretTestCase(_Base):
    """Gives each test a fresh broker behind a real socket: `self.amqp`.

    Stands before `unittest.TestCase` (or `IsolatedAsyncioTestCase`) among the bases. `leveret` has
    the fields of `Settings` that are not the default: `leveret = {"topology": "shop.yaml"}`.
    """

    #: Field of `Settings` -> value.
    leveret: ClassVar[dict[str, Any]] = {}
    amqp: Amqp

    def setUp(self) -> None:
        """Make the broker; a `setUp` of your own calls this one first."""
        super().setUp()
        self.amqp = Amqp(Settings(**self.leveret))
        self.addCleanup(self.amqp.finish)
