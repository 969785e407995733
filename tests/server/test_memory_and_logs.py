"""The memory alarm and the log entries, without a socket."""

from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING

import pytest

from leveret.server.logs import configure_logs, tell
from leveret.server.memory import MemoryAlarm, held_bytes, resident_bytes, total_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    import leveret
    from leveret.server.logs import LogFormat


def test_the_alarm_rings_above_its_limit_until_a_tenth_is_free() -> None:
    alarm = MemoryAlarm(1000, lambda: None)
    states = [(alarm.update(held), alarm.ringing) for held in (1000, 1001, 950, 901, 900, 999)]
    assert states == [
        (False, False),
        (True, True),
        (False, True),
        (False, True),
        (True, False),
        (False, False),
    ]


def test_the_alarm_does_not_ring_while_the_process_is_small() -> None:
    resident = 500
    alarm = MemoryAlarm(1000, lambda: resident)
    assert not alarm.update(2000)
    resident = 1500
    assert alarm.update(2000)
    resident = 5000  # what is freed is not given back: no reason to go on ringing
    assert alarm.update(10)


def test_messages_held_are_worth_their_bodies_and_more(broker: leveret.Broker) -> None:
    assert held_bytes(broker) == 0
    broker.queue_declare("q")
    broker.basic_publish("", "q", b"x" * 1000)
    broker.basic_publish("", "q", b"x" * 1000)
    held = held_bytes(broker)
    assert 2000 < held < 4000
    method, _, _ = broker.basic_get("q")
    assert held_bytes(broker) == held
    assert method is not None
    broker.basic_ack(method.delivery_tag)
    assert held_bytes(broker) == held // 2


def test_messages_that_wait_for_a_commit_are_worth_as_much(broker: leveret.Broker) -> None:
    broker.queue_declare("q")
    channel = broker.channel()
    channel.tx_select()
    for end in (channel.tx_rollback, channel.tx_commit):
        channel.basic_publish("", "q", b"x" * 1000)
        held = held_bytes(broker)
        assert 1000 < held < 2000
        end()
    assert held_bytes(broker) == held
    broker.queue_purge("q")
    assert held_bytes(broker) == 0


def test_the_machine_tells_its_memory() -> None:
    resident = resident_bytes()
    assert resident is None or 0 < resident < total_bytes()


@pytest.fixture
def restored() -> Iterator[None]:
    """Put the root logger back as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def _logged(form: LogFormat, level: str = "info") -> str:
    stream = io.StringIO()
    configure_logs(form, level, stream)
    tell(logging.INFO, "client gone", peer="127.0.0.1:5", reason='he said "bye"', user=None)
    tell(logging.DEBUG, "not told")
    return stream.getvalue()


@pytest.mark.usefixtures("restored")
def test_an_entry_is_a_line_of_text() -> None:
    line = _logged("text")
    time, _, rest = line.partition(" ")
    assert time.endswith("+00:00")
    assert rest == 'info client gone peer=127.0.0.1:5 reason="he said \\"bye\\""\n'


@pytest.mark.usefixtures("restored")
def test_an_entry_is_an_object() -> None:
    entry = json.loads(_logged("json"))
    assert list(entry) == ["time", "level", "event", "peer", "reason"]
    assert entry["event"] == "client gone"


@pytest.mark.usefixtures("restored")
def test_a_level_hides_what_is_below_it() -> None:
    assert _logged("json", "warning") == ""


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.usefixtures("restored")
def test_an_error_elsewhere_is_logged_with_its_trace(form: LogFormat) -> None:
    stream = io.StringIO()
    configure_logs(form, "info", stream)
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        logging.getLogger("asyncio").exception("a callback failed")
    assert "Traceback" in stream.getvalue()
    assert len(stream.getvalue().splitlines()) == 1 or form == "text"
