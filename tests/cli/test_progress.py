"""The progress bar: for a person who waits, for nobody else."""

from __future__ import annotations

import io
import sys

import pytest

from leveret.cli.progress import Progress


class Terminal(io.StringIO):
    """A terminal that remembers what was written to it."""

    def isatty(self) -> bool:
        return True


def _terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm-256color")
    return terminal


@pytest.mark.parametrize("total_bytes", [400_000, None])
def test_a_long_input_has_a_bar_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, total_bytes: int | None
) -> None:
    terminal = _terminal(monkeypatch)
    progress = Progress(total_bytes, long_input_bytes=100_000)
    for _ in range(400):
        progress.advance(1_000)
    progress.stop()
    assert "publishing" in terminal.getvalue()


def test_a_short_input_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _terminal(monkeypatch)
    progress = Progress(90_000, long_input_bytes=100_000)
    for _ in range(90):
        progress.advance(1_000)
    progress.stop()
    assert terminal.getvalue() == ""


def test_elsewhere_there_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(400_000, long_input_bytes=100_000)
    for _ in range(400):
        progress.advance(1_000)
    progress.stop()
    assert capsys.readouterr().err == ""
