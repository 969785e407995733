"""Programs made with Celery and kombu, tested as their authors would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from leveret.testing import Amqp


def test_kombu_connects_with_the_url_as_it_is(amqp: Amqp) -> None:
    kombu = pytest.importorskip("kombu", reason="pip install kombu to run this")
    with kombu.Connection(amqp.url) as connection, connection.SimpleQueue("jobs") as queue:
        queue.put({"id": 1})
        message = queue.get(timeout=5)
        assert message.payload == {"id": 1}
        message.ack()
        amqp.wait_idle()
        amqp.assert_published("jobs", body={"id": 1}, to=["jobs"])
        amqp.assert_queues_empty("jobs")


def test_a_celery_task_is_retried_and_answers(amqp: Amqp) -> None:
    celery = pytest.importorskip("celery", reason="pip install celery to run this")
    worker = pytest.importorskip("celery.contrib.testing.worker")
    app = celery.Celery("shop", broker=amqp.url, backend="rpc://", set_as_current=False)
    # an idle worker looks up once in half a heartbeat: with the default of 120 s it stops late
    app.conf.update(broker_heartbeat=2, worker_hijack_root_logger=False)

    @app.task(bind=True, max_retries=1)  # type: ignore[untyped-decorator]
    def double(self: Any, number: int) -> int:
        if not self.request.retries:
            raise self.retry(countdown=0.01)
        return 2 * number

    options = {"perform_ping_check": False, "pool": "solo", "loglevel": "ERROR"}
    with worker.start_worker(app, **options):
        assert double.delay(21).get(timeout=10) == 42
    assert len([one for one in amqp.published if one.routing_key == "celery"]) == 2
    app.close()
