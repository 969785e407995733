"""However the bytes of a stream are cut, the same comes back."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from pika import spec
from raw_amqp.frames import HEARTBEAT, content, header, lines, method, split
from raw_amqp.peers import InMemoryPeer

from leveret import Broker, ManualClock

B, Ch, E, Q = spec.Basic, spec.Channel, spec.Exchange, spec.Queue

QUEUES = st.sampled_from(["a", "b"])
CHANNELS = st.sampled_from([1, 2])
SIZES = st.sampled_from([0, 1, 60, 8184, 8185, 20_000, 70_000])

PUBLISHES = st.builds(
    lambda number, queue, size, properties, run: b"".join(
        content(number, bytes(size), routing_key=queue, frame_max=8192, **properties)
        for _ in range(run)
    ),
    CHANNELS,
    QUEUES | st.just("none"),
    SIZES,
    st.sampled_from(
        [
            {},
            {"delivery_mode": 2},
            {"headers": {"k": [1]}},
            {"priority": 9},
            {"expiration": "100"},
            {"headers": {"CC": ["b"]}},
        ]
    ),
    st.integers(1, 3),
)
CALLS = st.builds(
    method,
    CHANNELS,
    st.one_of(
        st.builds(lambda queue: B.Get(queue=queue), QUEUES),
        st.builds(lambda tag, multiple: B.Ack(tag, multiple), st.integers(0, 6), st.booleans()),
        st.builds(lambda tag: B.Nack(tag, True, True), st.integers(0, 6)),
        st.builds(
            lambda queue, tag: B.Consume(queue=queue, consumer_tag=tag),
            QUEUES,
            st.sampled_from("tuvw"),
        ),
        st.builds(lambda tag: B.Cancel(tag), st.sampled_from("tu")),
        st.builds(lambda queue: Q.Purge(queue=queue), QUEUES),
        st.builds(lambda queue: Q.Declare(queue=queue), QUEUES | st.just("c")),
        st.builds(
            lambda nowait: Q.Declare(queue="none", passive=True, nowait=nowait), st.booleans()
        ),
        st.builds(lambda count: B.Qos(0, count, False), st.integers(0, 3)),
        st.just(Ch.Close(200, "", 0, 0)),
        st.just(Ch.CloseOk()),
        st.just(Ch.Open()),
        st.just(spec.Tx.Select()),
        st.just(spec.Tx.Commit()),
    ),
)
BROKEN = st.sampled_from(
    [
        method(1, B.Publish(exchange="", routing_key="a")) + HEARTBEAT + header(1, 0),
        content(1, b"x", "nowhere"),
        content(1, b"x", routing_key="a", immediate=True),
        method(1, B.Publish(exchange="", routing_key="a")) + header(1, 2) + method(1, Ch.Open()),
        b"\x01\0\x01\0\0\0\x04\0\x63\0\x0a\xce",
        b"\x07\0\0\0\0\0\0\xce",
    ]
)
STREAMS = st.lists(
    st.one_of(PUBLISHES, PUBLISHES, CALLS, CALLS, st.just(HEARTBEAT), BROKEN), max_size=12
)


def ready() -> InMemoryPeer:
    broker = Broker(clock=ManualClock(), seed=1)
    peer = InMemoryPeer(broker)
    peer.login(frame_max=8192, channels=(1, 2))
    for queue in ("a", "b"):
        peer.call(1, Q.Declare(queue=queue, arguments={"x-max-priority": 3}))
    return peer


def answers(data: bytes, cuts: list[int], between: int = 0) -> bytes:
    """Return what comes back from a stream cut at these places; `between` as the turns end."""
    peer = ready()
    output = b""
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, end in pairwise(edges):
        if peer.dropped:
            break
        if between:
            peer.connection.receive(data[start:end], lambda: True)
            while peer.connection.behind:
                peer.connection.receive(b"", lambda: True)
        else:
            peer.send(data[start:end])
        output += peer.output()
    peer.connection.broker.check()
    return output


@given(STREAMS, st.lists(st.integers(0, 2**20), max_size=8), st.booleans())
def test_any_cut_of_a_stream_gives_the_same_bytes(
    parts: list[bytes], cuts: list[int], turns: bool
) -> None:
    data = b"".join(parts)
    whole = answers(data, [])
    assert answers(data, cuts, between=turns) == whole
    frames, rest = split(whole)
    assert not rest
    lines(frames)  # each can be read


@given(st.lists(PUBLISHES | CALLS, max_size=5))
def test_a_stream_may_come_byte_by_byte(parts: list[bytes]) -> None:
    data = b"".join(parts)[:600]
    assert answers(data, list(range(len(data)))) == answers(data, [])
