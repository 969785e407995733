"""Request–reply: each call gets its own reply or its timeout (S116–S119 underneath)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leveret import Channel, Properties
from leveret.engine.requests import PendingReply, RequestTimeoutError, RequestUnroutableError
from leveret.errors import LeveretError, NotFound

if TYPE_CHECKING:
    from tests.engine.conftest import Make, Rig

    from leveret.engine.methods import Deliver
    from leveret.engine.requests import Requests


@pytest.fixture(params=[None, "", "my.replies"], ids=["direct", "server-named", "named"])
def requests(broker: Rig, request: pytest.FixtureRequest) -> Requests:
    """Make calls in each of the ways there are; there is a queue `server`."""
    broker.queue_declare("server")
    reply_queue: str | None = request.param
    return broker.requests(reply_queue=reply_queue)


def serve(broker: Rig, count: int = 1, backwards: bool = False) -> None:
    """Answer requests that wait, each with its body in capitals."""
    channel = broker.channel()
    got = [broker.get(channel, "server", auto_ack=True) for _ in range(count)]
    for one in reversed(got) if backwards else got:
        reply_to = one.properties.reply_to
        assert reply_to is not None
        answer = Properties(correlation_id=one.properties.correlation_id)
        channel.basic_publish("", reply_to, one.body.upper(), answer)


def test_a_call_gets_its_reply(broker: Rig, requests: Requests) -> None:
    pending = requests.call("", "server", "hello")
    assert (pending.done, len(requests)) == (False, 1)
    with pytest.raises(LeveretError, match="has no reply yet"):
        pending.result()
    serve(broker)
    assert (pending.done, len(requests)) == (True, 0)
    assert pending.result().body == b"HELLO"


def test_each_call_gets_its_own_whatever_their_order(broker: Rig, requests: Requests) -> None:
    calls = [requests.call("", "server", body) for body in ("a", "b", "c")]
    other = broker.requests().call("", "server", "d")
    serve(broker, 4, backwards=True)
    assert [call.result().body for call in (*calls, other)] == [b"A", b"B", b"C", b"D"]


def test_a_call_ends_with_its_timeout_and_a_late_reply_is_dropped(
    broker: Rig, requests: Requests
) -> None:
    done: list[PendingReply] = []
    slow = requests.call("", "server", "slow", timeout_ms=2000, on_done=done.append)
    broker.advance(ms=1999)
    assert not slow.done
    broker.advance(ms=1)
    assert done == [slow]
    with pytest.raises(RequestTimeoutError, match="within 2000 ms"):
        slow.result()
    after = requests.call("", "server", "after")
    serve(broker, 2)
    assert requests.late == 1
    assert after.result().body == b"AFTER"
    assert broker.statistics().ready == 0


def test_a_reply_in_time_leaves_no_timeout_behind(broker: Rig, requests: Requests) -> None:
    done: list[PendingReply] = []
    pending = requests.call("", "server", "quick", timeout_ms=2000, on_done=done.append)
    serve(broker)
    assert broker.next_deadline_ms() is None
    broker.advance(seconds=10)
    assert done == [pending]
    assert pending.result().body == b"QUICK"


def test_a_second_reply_and_one_for_nobody_are_dropped(broker: Rig, requests: Requests) -> None:
    pending = requests.call("", "server", "x")
    request = broker.get(broker.channel(), "server", auto_ack=True)
    reply_to = request.properties.reply_to
    assert reply_to is not None
    for body in ("first", "second"):
        broker.put(reply_to, body, correlation_id=request.properties.correlation_id)
    broker.put(reply_to, "whose?", correlation_id="nobody's")
    broker.put(reply_to, "whose?")
    assert pending.result().body == b"first"
    assert requests.late == 3
    assert broker.statistics().ready == 0


def test_a_request_that_reaches_no_queue_ends_at_once(requests: Requests) -> None:
    pending = requests.call("amq.direct", "nowhere", "?", timeout_ms=1000)
    with pytest.raises(RequestUnroutableError, match=r"exchange 'amq\.direct' with routing key"):
        pending.result()
    assert len(requests) == 0


def test_a_request_that_is_refused_raises_and_waits_for_nothing(
    broker: Rig, requests: Requests
) -> None:
    with pytest.raises(NotFound):
        requests.call("none", "k", "?", timeout_ms=1000)
    assert len(requests) == 0
    assert broker.next_deadline_ms() is None


def test_a_request_keeps_its_other_properties(broker: Rig, requests: Requests) -> None:
    requests.call("", "server", "?", Properties(content_type="a/b", correlation_id="mine"))
    properties = broker.get(broker.channel(), "server").properties
    assert properties.content_type == "a/b"
    assert properties.correlation_id != "mine"


@pytest.mark.parametrize("profile", ["3.10", "4.3"])
def test_a_server_that_answers_at_once(make: Make, profile: str) -> None:
    broker = make(profile)
    broker.queue_declare("server")

    def answer(inner: Channel, _: Deliver, properties: Properties, body: bytes) -> None:
        assert properties.reply_to is not None
        inner.basic_publish("", properties.reply_to, body.upper(), properties)

    broker.channel().basic_consume("server", answer, auto_ack=True)
    assert broker.requests().call("", "server", "hello").result().body == b"HELLO"


def test_a_reply_queue_ends_with_its_caller(broker: Rig) -> None:
    requests = broker.requests(reply_queue="mine")
    assert broker.exists("mine")
    requests.channel.close()
    assert not broker.exists("mine")
