"""What a worker gave up is looked at and sent back to it, through both faces."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

import leveret
import leveret.aio

if TYPE_CHECKING:
    from pathlib import Path

    from leveret.config import Alert
    from leveret.dead_letters import RedriveReport

TIMEOUT_S = 30


def test_what_a_worker_gave_up_is_handled_after_a_redrive() -> None:
    down, handled = threading.Event(), threading.Event()
    down.set()

    def bill(delivery: leveret.service.Delivery) -> None:
        if down.is_set():
            raise ConnectionError("the bank does not answer")
        assert delivery.attempt == 1, "it starts afresh"
        handled.set()

    with leveret.open() as service:
        service.engine.queue_declare("billing")
        service.engine.queue_declare("billing.dlq")
        service.worker("billing", bill, dead_letter="billing.dlq")
        service.publish("", "billing", b"order 8")
        arrived = service.get("billing.dlq", timeout=TIMEOUT_S)
        assert arrived is not None
        arrived.nack()
        letters = service.dead_letters("billing.dlq")
        found = letters.show()
        assert [(one.reason, one.queue, one.body) for one in found] == [
            ("rejected", "billing", b"order 8")
        ]
        assert "the bank does not answer" in (found[0].error or "")
        down.clear()
        assert letters.redrive().redriven == 1
        assert handled.wait(TIMEOUT_S)


def test_a_redrive_at_a_rate_goes_on_by_itself() -> None:
    done = threading.Event()
    reports: list[RedriveReport] = []

    def note(report: RedriveReport) -> None:
        reports.append(report)
        done.set()

    with leveret.open() as service:
        service.engine.queue_declare("billing")
        service.engine.queue_declare("dlq")
        for number in range(5):
            service.publish("", "dlq", {"id": number})
        service.dead_letters("dlq").start("200/s", to="billing", on_done=note)
        assert done.wait(TIMEOUT_S)
        assert reports[0].redriven == 5


def test_a_stream_holds_no_dead_letters() -> None:
    with leveret.open() as service:
        service.engine.queue_declare("log", arguments={"x-queue-type": "stream"})
        with pytest.raises(ValueError, match="'log' is a stream"):
            service.dead_letters("log").show()


def test_the_face_for_asyncio_has_both_too(tmp_path: Path) -> None:
    file = tmp_path / "t.yaml"
    file.write_text(
        'queues: [billing, dlq]\nalerts: {dead: {queue: dlq, ready: "> 0"}}\n', encoding="utf-8"
    )
    fired: list[str] = []

    async def run() -> None:
        heard = asyncio.Event()

        def tell(alert: Alert, state: str, value: int | None) -> None:
            fired.append(f"{alert.name} {state} {value}")
            heard.set()

        async with leveret.aio.open(file, on_alert=tell) as service:
            await service.publish("", "dlq", "x")
            await asyncio.wait_for(heard.wait(), TIMEOUT_S)
            assert service.dead_letters("dlq").redrive(to="billing").redriven == 1
            delivery = await service.get("billing")
            assert delivery is not None
            assert delivery.text() == "x"

    asyncio.run(run())
    assert fired == ["dead firing 1"]
