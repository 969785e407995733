"""Streams as RabbitMQ has them over AMQP 0-9-1.

Statements: S13 S18 S126 S127 S128 S129 S130 S131 S132 S133.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import pytest

from leveret import Properties
from leveret.engine import Policy

if TYPE_CHECKING:
    from tests.engine.conftest import Inbox, Make, Rig

    from leveret import Channel

STREAM: dict[str, Any] = {"x-queue-type": "stream"}
RESOURCE = "queue 's' in vhost '/'"


def read(broker: Rig, offset: Any = "first", prefetch: int = 100, **more: Any) -> list[str]:
    """Return what a new consumer gets at once."""
    channel = broker.channel()
    channel.basic_qos(prefetch_count=prefetch)
    arguments = {"x-stream-offset": offset} | more
    bodies = [body for _, _, body, _ in start(broker, channel, arguments).deliveries]
    channel.close()
    return bodies


def start(broker: Rig, channel: Channel, arguments: dict[str, Any], tag: str = "c") -> Inbox:
    """Start a consumer of the stream."""
    return broker.consume(channel, "s", tag, arguments=arguments)


@pytest.mark.parametrize(
    ("properties", "text"),
    [
        ({"durable": False}, f"invalid property 'non-durable' for {RESOURCE}"),
        (
            {"durable": True, "exclusive": True},
            f"invalid property 'exclusive-owner' for {RESOURCE}",
        ),
        ({"durable": True, "auto_delete": True}, f"invalid property 'auto-delete' for {RESOURCE}"),
    ],
)
def test_s126_a_stream_is_durable_and_stays(
    broker: Rig, channel: Channel, properties: dict[str, bool], text: str
) -> None:
    with broker.refusing(channel, 406, text, "queue.declare"):
        channel.queue_declare("s", arguments=STREAM, **properties)


def test_s13_a_stream_has_a_name_of_its_own(broker: Rig, channel: Channel) -> None:
    text = "Cannot declare a server-named queue for type rabbit_stream_queue"
    with broker.refusing(channel, 406, text, "queue.declare"):
        channel.queue_declare("", durable=True, arguments=STREAM)


FOREIGN = f"{RESOURCE} of queue type rabbit_stream_queue"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("x-max-age", "7d", "{}: invalid_max_age"),
        ("x-max-age", "7", "{}: invalid_max_age"),
        ("x-max-age", "0D", "{}: invalid_max_age"),
        ("x-max-age", "1.5D", "{}: invalid_max_age"),
        ("x-max-age", "", "{}: invalid_max_age"),
        ("x-max-age", 7, "{}: {unacceptable_type,signedint}"),
        ("x-max-length-bytes", -1, "{}: {value_negative,-1}"),
        ("x-max-length-bytes", "x", '{}: "expected integer, got longstr"'),
        ("x-stream-max-segment-size-bytes", -1, "{}: {value_negative,-1}"),
        ("x-initial-cluster-size", 0, "{}: {value_zero,0}"),
        ("x-queue-leader-locator", "x", "{}: invalid_queue_locator_arg"),
        *(
            (name, value, "foreign")
            for name, value in {
                "x-message-ttl": 1000,
                "x-expires": 1000,
                "x-max-length": 5,
                "x-max-priority": 5,
                "x-overflow": "drop-head",
                "x-single-active-consumer": True,
                "x-delivery-limit": 4,
                "x-queue-mode": "lazy",
            }.items()
        ),
    ],
)
def test_s18_arguments_that_a_stream_refuses(
    broker: Rig, channel: Channel, name: str, value: Any, text: str
) -> None:
    where = f"invalid arg '{name}' for {RESOURCE}"
    text = (
        f"invalid arg '{name}' for {FOREIGN}" if text == "foreign" else text.replace("{}", where, 1)
    )
    with broker.refusing(channel, 406, text, "queue.declare"):
        channel.queue_declare("s", durable=True, arguments=STREAM | {name: value})


def test_s18_a_segment_is_no_larger_than_three_gigabytes(broker: Rig, channel: Channel) -> None:
    arguments = STREAM | {"x-stream-max-segment-size-bytes": 3_000_000_001}
    text = "Exceeded max value for x-stream-max-segment-size-bytes"
    with broker.refusing(channel, 406, text, "queue.declare"):
        channel.queue_declare("s", durable=True, arguments=arguments)


@pytest.mark.parametrize("kind", ["classic", "quorum"])
@pytest.mark.parametrize(
    ("name", "value"),
    [("x-max-age", "7D"), ("x-stream-max-segment-size-bytes", 5), ("x-initial-cluster-size", 1)],
)
def test_s18_other_types_refuse_what_is_a_streams(
    broker: Rig, channel: Channel, kind: str, name: str, value: Any
) -> None:
    text = f"invalid arg '{name}' for {RESOURCE} of queue type rabbit_{kind}_queue"
    with broker.refusing(channel, 406, text, "queue.declare"):
        channel.queue_declare("s", durable=True, arguments={"x-queue-type": kind, name: value})


@pytest.mark.parametrize("what", ["basic.get", "queue.purge"])
def test_s127_a_stream_is_not_got_from_and_not_purged(
    broker: Rig, channel: Channel, what: str
) -> None:
    broker.stream(1)
    call = channel.basic_get if what == "basic.get" else channel.queue_purge
    with broker.refusing(channel, 540, f"{what} not supported by stream queues {RESOURCE}", what):
        call("s")


@pytest.mark.parametrize(
    ("profile", "prefetch", "automatic"),
    [
        ("3.10", f"'{RESOURCE}'", f"stream queues {RESOURCE}"),
        ("3.13", f"'{RESOURCE}'", f"stream queues {RESOURCE}"),
        ("4.2", f"stream {RESOURCE}", f"stream {RESOURCE}"),
    ],
)
def test_s128_consumers_have_a_prefetch_limit_and_acknowledge(
    make: Make, profile: str, prefetch: str, automatic: str
) -> None:
    broker = make(profile)
    broker.stream()
    channel = broker.channel()
    text = f"consumer prefetch count is not set for {prefetch}"
    with broker.refusing(channel, 406, text, "basic.consume"):
        channel.basic_consume("s", auto_ack=True)
    channel = broker.channel()
    channel.basic_qos(prefetch_count=1)
    text = f"automatic acknowledgement not supported by {automatic}"
    with broker.refusing(channel, 540, text, "basic.consume"):
        channel.basic_consume("s", auto_ack=True)
    channel = broker.channel()
    channel.basic_qos(prefetch_count=1)
    channel.basic_qos(prefetch_count=5, global_qos=True)
    with broker.refusing(channel, 540, f"{RESOURCE} does not support global qos", "basic.consume"):
        channel.basic_consume("s")


def test_s128_a_stream_knows_no_consumer_priority(broker: Rig, channel: Channel) -> None:
    broker.stream()
    channel.basic_qos(prefetch_count=1)
    with broker.refusing(channel, 406, f"invalid arg 'x-priority' for {FOREIGN}", "basic.consume"):
        channel.basic_consume("s", arguments={"x-priority": 1})


@pytest.mark.parametrize(
    ("offset", "count"),
    [("first", 10), ("last", 1), ("next", 0), (0, 10), (3, 7), (9, 1), (10, 0), (20, 0), (-1, 10)],
)
def test_s129_consumers_begin_where_they_ask(broker: Rig, offset: Any, count: int) -> None:
    broker.stream(10)
    assert read(broker, offset) == [f"m{n}" for n in range(10)][10 - count :]


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        ("3", '{longstr,<<"3">>}'),
        ("bogus", '{longstr,<<"bogus">>}'),
        (True, "{bool,true}"),
        (1.5, "{double,1.5}"),
    ],
)
def test_s129_an_offset_that_says_nothing_is_refused(
    broker: Rig, channel: Channel, value: Any, printed: str
) -> None:
    broker.stream(1)
    channel.basic_qos(prefetch_count=1)
    reason = f"{{invalid_stream_offset_arg,{printed}}}"
    text = f"invalid arg 'x-stream-offset' for {RESOURCE}: {reason}"
    with broker.refusing(channel, 406, text, "basic.consume"):
        channel.basic_consume("s", arguments={"x-stream-offset": value})


def test_s129_a_consumer_without_an_offset_gets_what_comes_next(
    broker: Rig, channel: Channel
) -> None:
    broker.stream(3)
    channel.basic_qos(prefetch_count=10)
    inbox = start(broker, channel, {})
    broker.put("s", "new")
    assert inbox.take() == ["c:new"]


def test_s129_a_consumer_waits_for_an_offset_that_is_not_there_yet(
    broker: Rig, channel: Channel
) -> None:
    broker.stream(3)
    channel.basic_qos(prefetch_count=10)
    inbox = start(broker, channel, {"x-stream-offset": 5})
    broker.put("s", "m3", "m4", "m5", "m6")
    assert inbox.take() == ["c:m5", "c:m6"]


def test_s129_a_time_or_an_age_is_a_place(broker: Rig) -> None:
    broker.stream()
    began_ms = broker.clock.now_ms()
    for n in range(5):
        broker.put("s", f"m{n}")
        broker.advance(60)
    at = datetime.datetime.fromtimestamp((began_ms // 1000) + 120, tz=datetime.UTC)
    for time in (at, at.replace(tzinfo=None)):
        assert read(broker, time) == ["m2", "m3", "m4"]
    assert read(broker, at + datetime.timedelta(days=1)) == []
    assert read(broker, "2m") == ["m3", "m4"]
    assert read(broker, "30s") == []
    assert read(broker, "1h") == [f"m{n}" for n in range(5)]


def test_s130_acknowledgements_give_credit(broker: Rig, channel: Channel) -> None:
    broker.stream(6)
    channel.basic_qos(prefetch_count=2)
    inbox = start(broker, channel, {"x-stream-offset": "first"})
    assert inbox.take() == ["c:m0", "c:m1"]
    channel.basic_ack(2)
    assert inbox.take() == ["c:m2"]
    channel.basic_ack(3, multiple=True)
    assert inbox.take() == ["c:m3", "c:m4"]
    assert broker.depth("s") == 6


@pytest.mark.parametrize("how", ["nack", "reject", "drop"])
def test_s130_from_4_0_on_all_ways_to_settle_give_credit(make: Make, how: str) -> None:
    broker = make("4.2")
    broker.stream(3)
    channel = broker.channel()
    channel.basic_qos(prefetch_count=1)
    inbox = start(broker, channel, {"x-stream-offset": "first"})
    if how == "nack":
        channel.basic_nack(1)
    else:
        channel.basic_reject(1, requeue=how == "reject")
    assert inbox.take() == ["c:m0", "c:m1"]


@pytest.mark.parametrize("profile", ["3.10", "3.13"])
@pytest.mark.parametrize("requeue", [True, False])
def test_s130_before_4_0_a_stream_refuses_nack_and_reject(
    make: Make, profile: str, requeue: bool
) -> None:
    broker = make(profile)
    broker.stream(3)
    channel = broker.channel()
    channel.basic_qos(prefetch_count=1)
    start(broker, channel, {"x-stream-offset": "first"})
    text = f"basic.nack and basic.reject not supported by stream queues {RESOURCE}"
    with broker.refusing(channel, 540, text, "basic.nack"):
        channel.basic_nack(1, requeue=requeue)


def test_s130_each_consumer_has_a_place_of_its_own(broker: Rig, channel: Channel) -> None:
    broker.stream(4)
    channel.basic_qos(prefetch_count=2)
    slow = start(broker, channel, {"x-stream-offset": "first"}, "slow")
    quick = start(broker, channel, {"x-stream-offset": 2}, "quick")
    assert slow.take() + quick.take() == ["slow:m0", "slow:m1", "quick:m2", "quick:m3"]
    channel.basic_ack(3)
    channel.basic_ack(4)
    broker.put("s", "m4")
    assert slow.take() + quick.take() == ["quick:m4"]
    channel.basic_ack(1)
    assert slow.take() == ["slow:m2"]


def test_s130_a_lost_channel_gives_nothing_back(broker: Rig, channel: Channel) -> None:
    broker.stream(2)
    channel.basic_qos(prefetch_count=2)
    start(broker, channel, {"x-stream-offset": "first"})
    channel.close()
    (figures,) = broker.statistics().virtual_hosts[0].queues
    assert (figures.ready, figures.unacked, figures.redelivered) == (2, 0, 0)


#: Each body of 36 bytes counts 100: ten messages a segment.
SMALL = {"stream_max_segment_size_bytes": 1000}


def offsets(broker: Rig) -> list[int]:
    return [int(body) for body in read(broker, prefetch=1000)]


def test_s131_whole_segments_go_by_size_when_one_is_begun(broker: Rig) -> None:
    broker.stream(**SMALL, max_length_bytes=2000)
    broker.put_long(0, 30)
    assert offsets(broker) == list(range(30))
    broker.put_long(30, 1)
    assert offsets(broker) == list(range(10, 31))


def test_s131_whole_segments_go_by_age_when_one_is_begun(broker: Rig) -> None:
    broker.stream(**SMALL, max_age="1h")
    broker.put_long(0, 5)
    broker.advance(1800)
    broker.put_long(5, 5)
    broker.advance(2000)
    broker.put_long(10, 10)
    assert offsets(broker)[0] == 0  # the last of the first segment is not an hour old
    broker.advance(1700)
    assert offsets(broker)[0] == 0  # it is now, and nothing happens yet
    broker.put_long(20, 1)
    assert offsets(broker)[0] == 10


def test_s131_the_segment_that_is_written_to_never_goes(broker: Rig) -> None:
    broker.stream(max_length_bytes=10, max_age="1s")
    broker.put_long(0, 30)
    broker.advance(3600)
    broker.put_long(30, 1)
    assert len(offsets(broker)) == 31


def test_s131_a_consumer_behind_retention_goes_on_at_the_first_message(
    broker: Rig, channel: Channel
) -> None:
    broker.stream(**SMALL, max_length_bytes=1500)
    broker.put_long(0, 10)
    channel.basic_qos(prefetch_count=1)
    inbox = start(broker, channel, {"x-stream-offset": "first"})
    broker.put_long(10, 21)
    inbox.take()
    channel.basic_ack(1)
    assert inbox.take()[0].split(":")[1].strip() == "20"


@pytest.mark.parametrize("apply_to", ["all", "queues", "streams"])
def test_s131_a_policy_goes_before_the_arguments_and_acts_at_once(
    broker: Rig, apply_to: Any
) -> None:
    broker.stream(**SMALL, max_length_bytes=1_000_000, max_age="1D")
    broker.put_long(0, 31)
    definition: dict[str, Any] = {"max-length-bytes": 1500, "message-ttl": 1, "max-length": 1}
    broker.virtual_hosts["/"].set_policy(Policy("p", "^s$", definition, apply_to))
    assert offsets(broker) == list(range(20, 31))
    broker.advance(60)
    assert broker.depth("s") == 11


def test_s131_a_policy_may_set_age_and_segments(broker: Rig) -> None:
    broker.stream()
    definition: dict[str, Any] = {"max-age": "1m", "stream-max-segment-size-bytes": 1000}
    broker.virtual_hosts["/"].set_policy(Policy("p", "^s$", definition))
    broker.put_long(0, 10)
    broker.advance(120)
    broker.put_long(10, 1)
    assert offsets(broker) == [10]


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("max-age", "7d", '<<"7d">> is not a valid max age'),
        ("stream-max-segment-size-bytes", 3_000_000_001, "3000000001 is not a valid segment size"),
    ],
)
def test_s131_a_policy_that_says_nothing_is_refused(key: str, value: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Policy("p", "", {key: value})


def test_s132_deliveries_carry_their_offset(broker: Rig, channel: Channel) -> None:
    broker.stream()
    broker.put("s", "a")
    broker.put("s", "b", headers={"k": 1}, content_type="text/plain", expiration="1", priority=9)
    broker.put("s", "c", headers={"x-stream-offset": 77})
    broker.advance(60)
    channel.basic_qos(prefetch_count=10)
    inbox = start(broker, channel, {"x-stream-offset": "first"})
    assert inbox.properties == [
        Properties(headers={"x-stream-offset": 0}),
        Properties(
            headers={"k": 1, "x-stream-offset": 1},
            content_type="text/plain",
            expiration="1",
            priority=9,
        ),
        Properties(headers={"x-stream-offset": 2}),
    ]


@pytest.mark.parametrize("flag", ["if_unused", "if_empty"])
def test_s133_flags_do_not_keep_a_stream_from_being_deleted(
    broker: Rig, channel: Channel, flag: str
) -> None:
    broker.stream(3)
    channel.basic_qos(prefetch_count=1)
    start(broker, channel, {})
    cancelled: list[str] = []
    channel.add_on_cancel_callback(cancelled.append)
    assert broker.queue_delete("s", **{flag: True}).message_count == 0
    assert cancelled == ["c"]
    assert not broker.exists("s")


def test_bindings_lead_to_a_stream_as_to_any_queue(broker: Rig, channel: Channel) -> None:
    broker.stream()
    broker.queue_declare("q")
    for queue in ("s", "q"):
        broker.queue_bind(queue, "amq.fanout")
    broker.basic_publish("amq.fanout", "k", b"m")
    assert broker.drain("q") == read(broker) == ["m"]


def test_a_stream_confirms_and_takes_part_in_transactions(broker: Rig, channel: Channel) -> None:
    broker.stream()
    confirmed: list[int] = []
    channel.confirm_delivery(lambda tag, multiple, ack: confirmed.append(tag))
    channel.basic_publish("", "s", b"a")
    assert confirmed == [1]
    other = broker.channel()
    other.tx_select()
    other.basic_publish("", "s", b"b")
    assert read(broker) == ["a"]
    other.tx_commit()
    other.basic_publish("", "s", b"c")
    other.tx_rollback()
    assert read(broker) == ["a", "b"]
