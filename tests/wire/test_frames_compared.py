"""Frame by frame, leveret answers as RabbitMQ 3.10 does.

Each conversation of `raw_amqp.scenarios` is held with both, and what came back is compared: which
methods, their arguments, and the bytes of every frame that holds nothing random.

Statements: S8 S11 S12 S22 S23 S25 S26 S57 S58 S60 S62 S64 S69 S72 S73 S76 S77 S78 S82 S85 S87 S103
S116 S117 S120 S121 S123.
"""

from __future__ import annotations

import re
import urllib.parse
from typing import TYPE_CHECKING, Any

import pytest
from attrs import define, field
from raw_amqp.peers import InMemoryPeer, SocketPeer
from raw_amqp.scenarios import DELIBERATE, SCENARIOS

from leveret import Broker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from judge.fixtures import Judge
    from raw_amqp.frames import Frame

pytest_plugins = ["judge.fixtures"]

#: What differs from run to run, and what it becomes.
MASKS = (
    (r"0 connection\.start .*", "0 connection.start"),
    (r"amq\.(gen|ctag)-[\w-]+", r"amq.\1"),
    (r"reply-to\.[\w=./+-]+", "reply-to.address"),
    (r"'time': datetime\.datetime\([^)]*\)", "'time': now"),
)


@define
class Heard:
    """What one look at a connection found."""

    peer: int
    frames: list[Frame]
    dropped: bool

    def lines(self) -> list[str]:
        """Return the frames as text, channel by channel: their order among channels is chance."""
        found = []
        for frame in sorted(self.frames, key=lambda frame: frame.channel):
            text = str(frame)
            for pattern, instead in MASKS:
                text = re.sub(pattern, instead, text)
            # The text of a table does not show the widths of its numbers; the bytes do.
            found.append(f"{text} {frame.data.hex()}" if text == str(frame) else text)
        return found


@define
class Listening:
    """Holds a scenario's conversation and notes what is heard."""

    connect: Callable[[], Any]
    heard: list[Heard] = field(factory=list)
    _peers: list[Any] = field(factory=list)

    def hold(self, scenario: Callable[[Any], None]) -> list[Heard]:
        """Go through a scenario; return what was heard."""
        scenario(self._open)
        for peer in self._peers:
            peer.lost()
        return self.heard

    def _open(self) -> Any:
        peer = self.connect()
        number = len(self._peers)
        self._peers.append(peer)
        look = peer.frames

        def frames() -> list[Frame]:
            found: list[Frame] = look()
            self.heard.append(Heard(number, found, peer.dropped))
            return found

        peer.frames = frames
        return peer


def ours(name: str) -> list[Heard]:
    broker = Broker(profile="3.10")
    heard = Listening(lambda: InMemoryPeer(broker)).hold(SCENARIOS[name])
    broker.check()
    return heard


def theirs(name: str, port: int, counts: Iterator[int]) -> list[Heard]:
    return Listening(lambda: SocketPeer(port, lambda: next(counts, 1))).hold(SCENARIOS[name])


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name not in DELIBERATE])
def test_a_conversation_in_frames_goes_the_same_way(judge: Judge, name: str) -> None:
    port = urllib.parse.urlsplit(judge.url).port
    assert port is not None
    expected = ours(name)
    got = theirs(name, port, iter([len(each.frames) for each in expected]))
    for mine, real in zip(expected, got, strict=True):
        assert mine.lines() == real.lines()
        # RabbitMQ drops some clients only after a while, and others when they hang up.
        assert mine.dropped or not real.dropped


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_conversation_in_frames_does_not_depend_on_how_its_bytes_arrive(name: str) -> None:
    whole = [each.lines() for each in ours(name)]
    broker = Broker(profile="3.10")
    byte_by_byte = Listening(lambda: InMemoryPeer(broker, piece_bytes=1))
    in_pieces = Listening(lambda: InMemoryPeer(broker, piece_bytes=4096))
    listening = in_pieces if "body" in name or "frame" in name else byte_by_byte
    assert [each.lines() for each in listening.hold(SCENARIOS[name])] == whole
    broker.check()
