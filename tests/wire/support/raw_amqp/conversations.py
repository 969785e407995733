"""Conversations at random: whole frames of every method, over few names, so that they meet.

Spoiled bytes mostly end at the first broken frame; these get further, into states that no scenario
thought of. A frame is encoded once and drawn again and again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leveret.header import encode_header
from leveret.properties import Properties
from leveret.wire.frames import (
    FRAME_BODY,
    FRAME_HEADERS,
    FRAME_METHOD,
    body_frames,
    frame,
    method_frame,
)
from leveret.wire.methods import METHODS, MethodSpec, encode_method

if TYPE_CHECKING:
    from random import Random

__all__ = ["Conversations"]

#: Channels 1 and 2 are open at the beginning.
_USUAL_CHANNELS = (1, 1, 1, 2)

#: 3 is closed; 20 is the last that may be, 21 is not.
_UNUSUAL_CHANNELS = (0, 3, 20, 21, 65_535)

#: How often each method is drawn that a client may send whenever it likes.
_USUAL = {
    "basic.publish": 24,
    "basic.consume": 10,
    "basic.get": 10,
    "basic.ack": 10,
    "basic.nack": 8,
    "basic.reject": 6,
    "basic.cancel": 4,
    "basic.qos": 4,
    "basic.recover": 4,
    "basic.recover-async": 1,
    "queue.declare": 16,
    "queue.bind": 8,
    "queue.unbind": 4,
    "queue.purge": 2,
    "queue.delete": 4,
    "exchange.declare": 8,
    "exchange.bind": 4,
    "exchange.unbind": 4,
    "exchange.delete": 4,
    "channel.flow": 2,
    "confirm.select": 3,
    "tx.select": 1,
    "tx.commit": 2,
    "tx.rollback": 2,
    "access.request": 1,
}

#: So many frames are made for each of these, and of each method that ends most connections.
_OF_EACH, _OF_OTHERS = 12, 1

_QUEUES = ("", "q1", "q2", "q3", "amq.rabbitmq.reply-to", "amq.x", "bystander", "x" * 255)
_EXCHANGES = ("", "e1", "e2", "e3", "amq.direct", "amq.topic", "amq.headers", "amq.rabbitmq.log")
_KEYS = ("", "q1", "q2", "a.b", "a.*", "#", "1", "\udcff", "k" * 255)
_TAGS = ("", "c1", "c2", "amq.ctag")
_TYPES = ("direct", "fanout", "topic", "headers", "x-consistent-hash", "x-random", "", "nonsense")
_NUMBERS = (0, 1, 2, 3, 10, 1000, 2**31, 2**32 - 1)

_ARGUMENTS: tuple[dict[str, Any], ...] = (
    {},
    {"x-message-ttl": 0},
    {"x-message-ttl": 10, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "q1"},
    {"x-dead-letter-exchange": "e1", "x-max-length": 1},
    {"x-max-length": 1, "x-overflow": "reject-publish"},
    {"x-max-length-bytes": 10, "x-overflow": "reject-publish-dlx", "x-dead-letter-exchange": "e2"},
    {"x-max-priority": 3},
    {"x-expires": 20},
    {"x-queue-type": "quorum", "x-delivery-limit": 1},
    {"x-queue-type": "stream"},
    {"x-single-active-consumer": True},
    {"x-priority": 5},
    {"x-match": "all", "a": 1},
    {"x-match": "any", "a": 1, "b": "x"},
    {"alternate-exchange": "e3"},
    {"x-message-ttl": "soon"},
    {"x-message-ttl": -1},
    {"x-max-priority": 2**40},
    {"a": {"b": [{"c": None}, 1.5, True]}},
)

_PROPERTIES = (
    Properties(),
    Properties(delivery_mode=2, content_type="text/plain"),
    Properties(expiration="0"),
    Properties(expiration="5"),
    Properties(expiration="never"),
    Properties(priority=9),
    Properties(reply_to="amq.rabbitmq.reply-to", correlation_id="1"),
    Properties(user_id="guest"),
    Properties(user_id="somebody"),
    Properties(headers={"a": 1, "CC": ["q2", "q3"], "BCC": ["q1"]}),
    Properties(headers={"CC": "no list"}),
    Properties(headers={"x-death": [{"queue": "q1", "reason": "expired", "count": 1}]}),
    Properties(headers={"x-death": "nonsense", "x-delivery-count": -1}),
)

_VALUES: dict[str, tuple[Any, ...]] = {
    "queue": _QUEUES,
    "exchange": _EXCHANGES,
    "source": _EXCHANGES,
    "destination": _EXCHANGES,
    "routing_key": _KEYS,
    "consumer_tag": _TAGS,
    "type": _TYPES,
    "arguments": _ARGUMENTS,
    "virtual_host": ("/", "other"),
    "prefetch_size": (0,) * 20 + (1,),
    "delivery_tag": (0, 1, 1, 2, 2, 3, 4, 5, 2**64 - 1),
    "reply_code": (200, 541),
}

#: How often bits are set that are, or are not, an error of the connection.
_SET_BITS = {"immediate": 0.01, "active": 0.95, "requeue": 0.9}

_LENGTHS = (1, 1, 2, 2, 3, 3, 4, 12)

_BODIES = (b"", b"x", b"body", b"\xce" * 40, b"y" * 9000)


class Conversations:
    """Makes conversations; `random` chooses the frames that there are, and then among them."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._frames: list[bytes] = []
        for name, weight in _USUAL.items():
            self._make(name, _OF_EACH * weight, _USUAL_CHANNELS)
        for name in METHODS:
            self._make(name, _OF_OTHERS, (1, 2) if name in _USUAL else (0, 0, 1))
        for channel in _UNUSUAL_CHANNELS:
            self._make("channel.open", 2, (channel,))
            self._make("basic.get", 1, (channel,))
        for channel in (1, 2):
            self._make("channel.close", 6, (channel,))
            self._frames.append(method_frame(channel, "channel.close-ok"))

    def _make(self, name: str, count: int, channels: tuple[int, ...]) -> None:
        make = self._published if name == "basic.publish" else self._called
        for _ in range(count):
            self._frames.append(make(METHODS[name], self._random.choice(channels)))

    def draw(self) -> bytes:
        """Return a conversation: mostly short, for connections live on; one in four is spoiled."""
        random = self._random
        frames = random.choices(self._frames, k=random.choice(_LENGTHS))
        if not random.randrange(4):
            at = random.randrange(len(frames))
            frames[at] = self._spoiled(frames[at])
        return b"".join(frames)

    def _spoiled(self, whole: bytes) -> bytes:
        """Change a frame's payload; its size still says how long it is."""
        random = self._random
        size = int.from_bytes(whole[3:7], "big")
        payload, behind = bytearray(whole[7 : 7 + size]), whole[8 + size :]
        for _ in range(random.choice((1, 1, 2))):
            at = random.randrange(size + 1)
            match random.randrange(4):
                case 0:
                    del payload[at:]
                case 1:
                    payload[at:at] = random.randbytes(random.choice((1, 4)))
                case _ if at < len(payload):
                    payload[at] = random.choice((0, 1, 127, 128, 255, random.randrange(256)))
                case _:
                    pass
        return frame(whole[0], int.from_bytes(whole[1:3], "big"), bytes(payload)) + behind

    def _values(self, method: MethodSpec) -> dict[str, Any]:
        random = self._random
        values: dict[str, Any] = {}
        for name, kind in method.fields:
            if name in _VALUES:
                values[name] = random.choice(_VALUES[name])
            elif kind == "bit":
                values[name] = random.random() < _SET_BITS.get(name, 0.3)
            elif kind in ("short", "long", "longlong"):
                values[name] = random.choice(_NUMBERS) % (2**16 if kind == "short" else 2**32)
        return values

    def _called(self, method: MethodSpec, channel: int) -> bytes:
        return frame(FRAME_METHOD, channel, encode_method(method.name, **self._values(method)))

    def _published(self, method: MethodSpec, channel: int) -> bytes:
        """Make a message: sometimes its body is not as long as its header says."""
        random = self._random
        data = random.choice(_BODIES)
        said = random.choice((len(data),) * 40 + (len(data) + 1, 2**63)) if data else 0
        header = encode_header(random.choice(_PROPERTIES), said)
        pieces = body_frames(channel, data, random.choice((131_072, 4096)))
        if not random.randrange(80):
            pieces = [frame(FRAME_BODY, channel, b"")]
        return b"".join(
            (self._called(method, channel), frame(FRAME_HEADERS, channel, header), *pieces)
        )
