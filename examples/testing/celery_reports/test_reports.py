"""The report service: its worker runs in a thread, and its countdowns take no time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import reports
from celery.contrib.testing.worker import start_worker
from celery.signals import before_task_publish

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leveret.testing import Amqp

TIMEOUT_S = 30


class Tills:
    """Tills that may be off."""

    def __init__(self) -> None:
        self.off: set[str] = set()
        self.asked: list[str] = []

    def sales(self, shop: str) -> int:
        """Return what a shop sold."""
        self.asked.append(shop)
        if shop in self.off:
            raise ConnectionError(shop)
        return 100


def leave_delays_to_the_broker(headers: dict[str, Any], **_: object) -> None:
    """Have the worker do a task as it comes, not wait for its time once more, by the wall clock."""
    headers["eta"] = None


@pytest.fixture
def tills(amqp: Amqp, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tills]:
    """Give the tills that a worker asks."""
    tills = Tills()
    before_task_publish.connect(leave_delays_to_the_broker)
    monkeypatch.setattr(reports, "shops", tills)
    app = reports.app
    # an idle worker looks up once in half a heartbeat, and so it stops
    app.conf.update(broker_url=amqp.url, broker_heartbeat=2, worker_hijack_root_logger=False)
    with start_worker(app, perform_ping_check=False, pool="solo", loglevel="ERROR"):
        yield tills
    before_task_publish.disconnect(leave_delays_to_the_broker)
    app.close()
    del app.amqp  # remembers connections; it is made again when it is asked for


def test_a_task_answers(amqp: Amqp, tills: Tills) -> None:
    assert reports.ask.delay("Lyon").get(timeout=TIMEOUT_S) == 100


def test_a_chord_adds_up_what_its_tasks_return(amqp: Amqp, tills: Tills) -> None:
    assert reports.report(["Lyon", "Turin", "Basel"]).get(timeout=TIMEOUT_S) == 300


def test_a_till_that_is_off_is_asked_again_a_minute_later(amqp: Amqp, tills: Tills) -> None:
    tills.off.add("Lyon")
    result = reports.ask.delay("Lyon")
    amqp.wait_until(lambda: result.state == "RETRY")
    amqp.wait_idle()
    tills.off.clear()
    amqp.clock.advance("59s")
    amqp.wait_idle()
    assert tills.asked == ["Lyon"]
    amqp.clock.advance("1s")
    assert result.get(timeout=TIMEOUT_S) == 100
    assert tills.asked == ["Lyon", "Lyon"]


def test_a_report_with_a_countdown_waits_for_the_evening(amqp: Amqp, tills: Tills) -> None:
    result = reports.report(["Lyon", "Turin"], in_s=8 * 3600)
    amqp.wait_idle()
    amqp.clock.advance("7h")
    amqp.wait_idle()
    assert tills.asked == []
    amqp.clock.advance("1h")
    assert result.get(timeout=TIMEOUT_S) == 200


def test_a_task_whose_worker_lost_its_connection_is_done_once_more(
    amqp: Amqp, tills: Tills
) -> None:
    amqp.deliver_twice()  # the acknowledgement is lost
    assert reports.ask.delay("Lyon").get(timeout=TIMEOUT_S) == 100
    amqp.wait_idle()
    assert tills.asked == ["Lyon", "Lyon"]
