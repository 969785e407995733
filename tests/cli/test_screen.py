"""What people see, on a terminal and elsewhere."""

from __future__ import annotations

import pytest

from leveret.cli.report import QueueReport, RunReport, UnroutableReport
from leveret.cli.screen import shorten, show_faults, show_report, show_route
from leveret.errors import Fault, Position

REPORT = RunReport(
    lines=3,
    routed=2,
    unroutable=1,
    refused=0,
    queues=(
        QueueReport("billing", 1234, 5_000_000, 2, "a", "b"),
        QueueReport("empty", 0, 0, 0, None, None),
    ),
    unroutable_keys=(UnroutableReport("", "", 1),),
    faults=(),
)
FAULT = Fault(Position("m.jsonl", 3, 5), "bad", "Do good.", "oh no it")


@pytest.fixture
def coloured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)


@pytest.mark.usefixtures("plain")
def test_a_report_elsewhere_is_plain_text_without_spaces_at_line_ends(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_report(REPORT)
    assert capsys.readouterr().out == (
        "queue    messages      bytes  via DLX  first key  last key\n"
        "──────────────────────────────────────────────────────────\n"
        "billing     1,234  5,000,000        2  a          b\n"
        "empty           0          0        0\n"
        "\n"
        "unroutable: exchange  routing key  messages\n"
        "───────────────────────────────────────────\n"
        '(default)             ""                  1\n'
        "\n"
        "3 messages: 2 routed, 1 unroutable, 0 refused; the queues hold 1,234\n"
    )


@pytest.mark.usefixtures("plain")
def test_a_fault_elsewhere_reads_as_it_reads_in_python(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_faults([FAULT])
    assert capsys.readouterr().err == f"{FAULT}\n"


@pytest.mark.usefixtures("coloured")
def test_a_terminal_gets_colours(capsys: pytest.CaptureFixture[str]) -> None:
    show_report(REPORT)
    show_faults([FAULT])
    show_route("exchange 'a' (direct) ◀─ routing key 'k'\n└─ ✔ 'k' ─▶ queue 'q'\n✔ reaches 'q'")
    printed = capsys.readouterr()
    assert "\x1b[33m1 unroutable\x1b[0m" in printed.out
    assert "\x1b[1;32m✔\x1b[0m" in printed.out
    assert "\x1b[1;31merror:\x1b[0m" in printed.err


@pytest.mark.usefixtures("coloured")
def test_no_color_takes_the_colours_away(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    show_report(REPORT)
    assert "\x1b[3" not in capsys.readouterr().out


@pytest.mark.parametrize("column", [1, 50, 51, 100, 150, 151, 250, 299, 300, 301])
def test_a_long_line_is_cut_to_what_is_near_its_fault(column: int) -> None:
    line = "".join(chr(0x100 + n) for n in range(300))
    text, at = shorten(line, column)
    assert len(text) <= 102
    if column <= len(line):
        assert text[at - 1] == line[column - 1]
    assert text.startswith("…") == (line[0] not in text)
    assert text.endswith("…") == (line[-1] not in text)


def test_what_cannot_be_printed_is_replaced_and_columns_hold() -> None:
    assert shorten("a\tb\x1bc", 5) == ("a b�c", 5)
