"""The thumbnail worker, in a thread, on a broker whose clock the tests move."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from thumbnails import ThumbnailWorker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leveret.testing import Amqp

PICTURE = {"path": "17.png"}


class Disk:
    """A disk that may be full."""

    def __init__(self) -> None:
        self.resized: list[str] = []
        self.attempts = 0
        self.is_full = False

    def resize(self, path: str) -> None:
        """Make a thumbnail."""
        self.attempts += 1
        if self.is_full:
            raise OSError("no space left on device")
        self.resized.append(path)


@pytest.fixture
def disk(amqp: Amqp) -> Iterator[Disk]:
    """Give the disk behind a worker that runs."""
    disk = Disk()
    worker = ThumbnailWorker(amqp.url, disk.resize)
    thread = threading.Thread(target=worker.run)
    thread.start()
    amqp.wait_until(lambda: "images" in amqp.queues and amqp.queue("images").consumers)
    yield disk
    worker.stop()
    thread.join()


def upload(amqp: Amqp, kind: str) -> None:
    amqp.publish("uploads", body=PICTURE, headers={"format": kind})
    amqp.wait_idle()


def test_only_pictures_are_resized(amqp: Amqp, disk: Disk) -> None:
    for kind in ("png", "pdf", "jpeg"):
        upload(amqp, kind)
    assert disk.resized == ["17.png", "17.png"]
    amqp.assert_routed("uploads", headers={"format": "pdf"}, to=[])


def test_each_wait_is_twice_as_long(amqp: Amqp, disk: Disk) -> None:
    disk.is_full = True
    upload(amqp, "png")
    for wait_s in (10, 20, 40):
        assert amqp.queue("images.waiting").messages[0].json == PICTURE
        before = disk.attempts
        amqp.clock.advance(wait_s - 1)
        amqp.wait_idle()
        assert disk.attempts == before
        amqp.clock.advance("1s")
        amqp.wait_idle()
        assert disk.attempts == before + 1
    assert amqp.queue("images.given-up").messages[0].json == PICTURE
    amqp.assert_queues_empty("images", "images.waiting")


def test_a_picture_whose_worker_was_cut_off_is_resized_by_the_next(amqp: Amqp, disk: Disk) -> None:
    disk.is_full = True
    upload(amqp, "png")
    amqp.drop_connections()
    disk.is_full = False
    amqp.clock.advance("10s")
    amqp.wait_until(lambda: disk.resized, "30s")  # kombu connects again in its own time
    assert disk.resized == ["17.png"]
