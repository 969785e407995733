"""Time over a real socket, waiting without sleeping, clean slates, snapshots."""

from __future__ import annotations

import asyncio
import datetime
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pika
import pytest
from pika import exceptions

from leveret import ManualClock
from leveret.engine.permissions import Permission, User, hash_password
from leveret.engine.policies import Policy
from leveret.properties import Properties
from leveret.testing import Amqp, Settings, server
from leveret.testing.amqp import LeftOpenError
from leveret.testing.core import Listening
from leveret.testing.durations import milliseconds

if TYPE_CHECKING:
    from pathlib import Path

Connect = Callable[..., Any]
Work = Callable[..., Any]
Refusal = Callable[[str], str]


def ack(channel: Any, method: Any, properties: Any, body: bytes) -> None:
    channel.basic_ack(method.delivery_tag)


# -- durations and the clock


@pytest.mark.parametrize(
    ("duration", "ms"),
    [
        ("30s", 30_000),
        ("1.5 h", 5_400_000),
        ("250ms", 250),
        (2, 2000),
        (0.001, 1),
        (datetime.timedelta(days=1), 86_400_000),
    ],
)
def test_durations_are_texts_seconds_or_timedeltas(duration: Any, ms: int) -> None:
    assert milliseconds(duration) == ms


@pytest.mark.parametrize("duration", ["30", "30 weeks", "", -1, datetime.timedelta(seconds=-1)])
def test_what_is_no_duration_is_refused(duration: Any) -> None:
    with pytest.raises(ValueError, match=r"is no duration|only moves forward"):
        milliseconds(duration)


def retry_queues(channel: Any) -> None:
    """Declare a work queue, and one from which messages come back after 30 seconds."""
    wait = {
        "x-message-ttl": 30_000,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": "work",
    }
    channel.queue_declare("wait", durable=True, arguments=wait)
    channel.queue_declare("work", durable=True)


@pytest.mark.parametrize("clock", ["manual", "real"])
def test_a_retry_after_half_a_minute_takes_no_time(clock: Any) -> None:
    with Amqp(Settings(clock=clock)) as amqp:
        client = pika.BlockingConnection(pika.URLParameters(amqp.url))
        channel = client.channel()
        retry_queues(channel)
        channel.basic_publish("", "wait", b"again")
        amqp.wait_idle()
        assert channel.basic_get("work")[0] is None
        before = amqp.clock.now_ms()
        amqp.clock.advance("30s")
        assert amqp.clock.now_ms() - before >= 30_000
        assert channel.basic_get("work", auto_ack=True)[2] == b"again"
        client.close()


def test_a_consumer_that_holds_a_message_for_half_an_hour_is_cut_off(
    amqp: Amqp, connect: Connect
) -> None:
    holding, beside = connect().channel(), connect().channel()
    holding.queue_declare("q")
    amqp.publish("", "q", "m")
    holding.basic_get("q")
    amqp.clock.advance("31m")
    with pytest.raises(
        exceptions.ChannelClosedByBroker, match="delivery acknowledgement on channel"
    ):
        holding.queue_declare("q", passive=True)
    assert beside.basic_get("q")[0].redelivered


def test_a_queue_that_nobody_uses_expires(amqp: Amqp, connect: Connect) -> None:
    connect().channel().queue_declare("q", arguments={"x-expires": 3_600_000})
    amqp.clock.advance("59m")
    assert amqp.queues == ["q"]
    amqp.clock.advance("1m")
    assert amqp.queues == []


def test_real_time_goes_by_itself() -> None:
    with server(clock="real") as amqp:
        amqp.broker.queue_declare("q", arguments={"x-message-ttl": 20})
        amqp.publish("", "q", "m")
        amqp.wait_until(lambda: not amqp.queue("q").messages)
        assert amqp.published[0].state == {"q": "expired"}


def test_a_clock_goes_on_over_a_restart(amqp: Amqp) -> None:
    assert amqp.clock.now_ms() == ManualClock().now_ms()
    amqp.clock.advance("1h")
    amqp.restart()
    assert amqp.clock.now_ms() == ManualClock().now_ms() + 3_600_000
    amqp.reset()
    assert amqp.clock.now_ms() == ManualClock().now_ms()


# -- waiting


def test_idle_is_when_every_delivery_is_handled(amqp: Amqp, work: Work) -> None:
    amqp.broker.queue_declare("q")
    go = threading.Event()

    def slowly(channel: Any, method: Any, properties: Any, body: bytes) -> None:
        go.wait(5)
        channel.basic_ack(method.delivery_tag)

    worker = work("q", slowly)
    amqp.publish("", "q", "1")
    with pytest.raises(TimeoutError, match=r"- 1 of queue 'q' delivered to consumer 'ctag1"):
        amqp.wait_idle("50ms")
    amqp.wait_idle(handled=False)
    amqp.publish("", "q", "2")
    go.set()
    amqp.wait_idle()
    assert [body for body, _ in worker.deliveries] == [b"1", b"2"]
    amqp.assert_queues_empty()


def test_what_consumers_set_off_is_waited_for_too(amqp: Amqp, work: Work) -> None:
    for name in ("a", "b", "c"):
        amqp.broker.queue_declare(name)

    def pass_on(to: str) -> Callable[..., None]:
        def handle(channel: Any, method: Any, properties: Any, body: bytes) -> None:
            channel.basic_publish("", to, body + to.encode())
            channel.basic_ack(method.delivery_tag)

        return handle

    work("a", pass_on("b"))
    work("b", pass_on("c"))
    for _ in range(20):
        amqp.publish("", "a", "a")
    amqp.wait_idle()
    assert amqp.queue("c").bodies == [b"abc"] * 20


def test_publishes_in_flight_are_waited_for(amqp: Amqp, connect: Connect) -> None:
    channel = connect().channel()
    channel.queue_declare("q")
    for n in range(500):
        channel.basic_publish("", "q", b"x" * n)
    amqp.wait_idle()
    assert len(amqp.queue("q")) == 500


def test_a_condition_is_waited_for(amqp: Amqp, connect: Connect) -> None:
    channel = connect().channel()
    channel.queue_declare("q")
    thread = threading.Timer(0.02, lambda: channel.basic_publish("", "q", b"m"))
    thread.start()
    assert amqp.wait_until(lambda: amqp.queue("q").messages)[0].body == b"m"
    thread.join()
    with pytest.raises(TimeoutError, match="did not happen within 10ms"):
        amqp.wait_until(lambda: False, "10ms")


def test_in_an_event_loop_waiting_is_awaited(amqp: Amqp) -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="hold up the event loop"):
            amqp.wait_idle()
        await amqp.until_idle()
        amqp.broker.queue_declare("q")
        amqp.publish("", "q", "m")
        assert len(await amqp.until(lambda: amqp.queue("q").messages)) == 1

    asyncio.run(main())


# -- clean slates


def test_a_reset_is_a_fresh_broker_with_its_topology(tmp_path: Path) -> None:
    file = tmp_path / "shop.yaml"
    file.write_text("queues: [billing]\n")
    with server(file, profile="3.13") as amqp:
        client = pika.BlockingConnection(pika.URLParameters(amqp.url))
        client.channel().queue_declare("mine")
        amqp.publish("", "billing", "1")
        port = amqp.port
        amqp.reset()
        assert (amqp.port, amqp.queues, amqp.published) == (port, ["billing"], [])
        assert amqp.broker.profile.version == "3.13"
        assert len(amqp.queue("billing")) == 0
        with pytest.raises(exceptions.ConnectionClosedByBroker):
            client.channel()
        client._cleanup()


def test_a_snapshot_is_restored_as_often_as_wanted(amqp: Amqp) -> None:
    broker = amqp.broker
    broker.users.add(User("svc", hash_password("secret", broker.random)))
    broker.users.set_permission("svc", "/", Permission(read="^q$"))
    host = broker.virtual_hosts["/"]
    host.set_policy(Policy("cap", "^q$", {"max-length": 10}))
    broker.exchange_declare("e", "headers", arguments={"alternate-exchange": "amq.fanout"})
    broker.queue_declare("q", arguments={"x-max-priority": 5})
    broker.queue_bind("q", "e", arguments={"format": "png"})
    for priority in (1, 5, 1):
        amqp.publish("", "q", str(priority), properties=Properties(priority=priority))
    broker.basic_get("q")
    amqp.publish("", "q", "dies", properties=Properties(expiration="60000"))
    before = amqp.snapshot()
    for _ in range(2):
        amqp.broker.queue_purge("q")
        amqp.broker.queue_declare("other")
        amqp.clock.advance("1h")
        amqp.restore(before)
        assert amqp.queues == ["q"]
        view = amqp.queue("q")
        assert [(m.body, m.redelivered) for m in view.messages] == [
            (b"5", True),
            (b"1", False),
            (b"1", False),
            (b"dies", False),
        ]
        amqp.assert_routed("e", headers={"format": "png"}, to=["q"])
        assert amqp.broker.virtual_hosts["/"].policies.policies["cap"].definition
        assert amqp.broker.users["svc"].verify("secret")
        amqp.broker.check()
        for _ in range(3):  # messages expire at the head
            amqp.get("q")
        amqp.clock.advance("59s")
        assert amqp.queue("q").bodies == [b"dies"]
        amqp.clock.advance("1s")
        assert amqp.queue("q").bodies == []


def test_a_strict_test_is_told_what_it_leaves_open() -> None:
    amqp = Amqp(Settings(strict=True))
    amqp.broker.queue_declare("q")
    amqp.publish("", "q", "m")
    client = pika.BlockingConnection(pika.URLParameters(amqp.url))
    client.channel().basic_get("q")
    with pytest.raises(LeftOpenError) as caught:
        amqp.finish()
    with pytest.raises(exceptions.ConnectionClosedByBroker):
        client.channel()
    head, connected, unacked = str(caught.value).splitlines()
    assert head == "the test leaves something open:"
    assert connected.endswith("is connected still")
    assert unacked == "- 1 of queue 'q' taken by basic.get, not acknowledged"
    client._cleanup()
    with server(strict=True) as amqp:
        pika.BlockingConnection(pika.URLParameters(amqp.url)).close()


def test_what_a_callback_raises_is_raised_at_the_end() -> None:
    def answer(body: bytes) -> None:
        raise KeyError(body)

    amqp = Amqp(Settings())
    amqp.reply_to("quotes", answer)
    amqp.publish("", "quotes", "x")
    amqp.wait_idle()
    with pytest.raises(ExceptionGroup, match="what the server's thread called raised") as caught:
        amqp.finish()
    assert [repr(error) for error in caught.value.exceptions] == ["KeyError(b'x')"]


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="clock is 'manual' or 'real', not 'sundial'"):
        Settings(clock="sundial")  # type: ignore[arg-type]


# -- one socket for a session


def test_on_a_shared_socket_each_test_has_a_broker_of_its_own(refusal: Refusal) -> None:
    listening = Listening()
    settings = Settings(server="session")
    with Amqp(settings, listening) as one:
        url, port = one.url, one.port
        left_over = pika.BlockingConnection(pika.URLParameters(url))
        left_over.channel().queue_declare("q")
        by_port_alone = pika.BlockingConnection(pika.ConnectionParameters(port=port))
        by_port_alone.channel().queue_declare("q2")
        assert one.queues == ["q", "q2"]
    for client in (left_over, by_port_alone):
        with pytest.raises(exceptions.ConnectionClosedByBroker):
            client.channel()
        client._cleanup()
    with Amqp(settings, listening) as two:
        assert (two.port, two.queues) == (port, [])
        assert f"vhost {url.rpartition('/')[2]} not found" in refusal(url)
        client = pika.BlockingConnection(pika.URLParameters(two.url))
        with pytest.raises(exceptions.ChannelClosedByBroker, match="no queue 'q' in vhost '/'"):
            client.channel().queue_declare("q", passive=True)
        two.restart()
        with pytest.raises(exceptions.ConnectionClosedByBroker):
            client.channel()
        client._cleanup()
        pika.BlockingConnection(pika.URLParameters(two.url)).close()
    listening.down()
