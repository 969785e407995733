"""`Broker(data=...)`: a broker in process whose durable part survives it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leveret import Broker, Properties
from leveret.errors import TopologyError
from leveret.storage import StorageError

if TYPE_CHECKING:
    from pathlib import Path


def test_s39_a_closed_broker_is_there_again_when_its_directory_is_opened(tmp_path: Path) -> None:
    broker = Broker(data=tmp_path / "data")
    broker.queue_declare("q")
    broker.basic_publish("", "q", b"kept", Properties(delivery_mode=2))
    broker.basic_publish("", "q", b"lost")
    broker.close()
    broker = Broker(data=tmp_path / "data")
    assert broker.basic_get("q")[2] == b"kept"
    assert broker.basic_get("q")[2] is None
    broker.close()


def test_a_topology_file_is_declared_on_top_of_what_was_kept(tmp_path: Path) -> None:
    file = tmp_path / "topology.yaml"
    file.write_text("queues:\n  q: {durable: true}\n")
    data = tmp_path / "data"
    broker = Broker.from_file(file, data=data)
    broker.basic_publish("", "q", b"kept", Properties(delivery_mode=2))
    broker.flush()
    with pytest.raises(StorageError, match="in use"):
        Broker.from_file(file, data=data)
    broker.close()
    broker = Broker.from_file(file, data=data)
    assert broker.basic_get("q")[2] == b"kept"
    broker.close()
    file.write_text("queues:\n  q: {durable: true, arguments: {x-max-priority: 3}}\n")
    with pytest.raises(TopologyError):
        Broker.from_file(file, data=data)
    Broker(data=data).close()


def test_without_a_directory_flush_and_close_do_nothing() -> None:
    broker = Broker()
    broker.flush()
    broker.close()
