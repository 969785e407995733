"""A folder with a topology, and the command run inside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pytest
from click.testing import CliRunner, Result

from leveret.cli import main

if TYPE_CHECKING:
    from pathlib import Path

SHOP = """\
exchanges:
  orders: {type: topic, alternate: unrouted}
  work: direct
  images: headers
  unrouted: fanout
  inside: {type: fanout, internal: true}
queues: [billing, shipping, thumbnails, unrouted]
bindings:
  - orders[order.created.#, order.*.paid] -> billing
  - orders[order.*.packed] -> shipping
  - {source: images, destination: thumbnails, match: {x-match: all, format: png, width: 640}}
  - unrouted -> unrouted
"""


class Invoke(Protocol):
    """Runs `leveret` with arguments, as a terminal that is none would."""

    def __call__(self, *arguments: str, stdin: str | bytes = b"") -> Result: ...


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder of its own that holds `shop.yaml`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    (tmp_path / "shop.yaml").write_text(SHOP, encoding="utf-8")
    return tmp_path


@pytest.fixture
def invoke(folder: Path) -> Invoke:
    def run(*arguments: str, stdin: str | bytes = b"") -> Result:
        result = CliRunner().invoke(main, arguments, input=stdin)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        return result

    return run
