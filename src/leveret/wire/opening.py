"""The connection's own methods: how it is opened, and how its client closes it.

The order of methods is a table (AMQP 0-9-1 section 2.2.4): method -> the state it is awaited in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leveret.errors import ChannelError, CommandInvalid, NotAllowed
from leveret.wire.connection_base import ConnectionBase, State
from leveret.wire.frames import OVERHEAD, PROTOCOL_HEADER, PROTOCOL_HEADER_0_9
from leveret.wire.handshake import authenticate, mechanisms, server_properties
from leveret.wire.methods import decode_method

if TYPE_CHECKING:
    from collections.abc import Callable

    from leveret.wire.methods import MethodCall

__all__ = ["ConnectionMethods"]

_CLOSE = b"\x00\x0a\x00\x32"
_CLOSE_OK = b"\x00\x0a\x00\x33"

#: The states as RabbitMQ calls them.
_STATE_NAMES = {
    State.START: "starting",
    State.TUNE: "tuning",
    State.OPEN: "opening",
    State.RUNNING: "running",
}


class ConnectionMethods(ConnectionBase):
    """The methods of channel 0."""

    def _protocol_header(self, header: bytes) -> None:
        if header not in (PROTOCOL_HEADER, PROTOCOL_HEADER_0_9):
            self.reason = f"bad protocol header {header!r}"
            self.write(PROTOCOL_HEADER)
            self._finish()
            return
        self.state = State.START
        self._send(
            "connection.start",
            version_major=0,
            version_minor=9,
            server_properties=server_properties(self.broker),
            mechanisms=self._mechanisms().encode(),
            locales=b"en_US",
        )

    def _mechanisms(self) -> str:
        return mechanisms(external=self._external_user is not None, anonymous=self._anonymous)

    def _connection_method(self, payload: bytes) -> None:
        if self.state is State.CLOSING:
            # The client may not know yet; only these two say anything any more.
            if payload.startswith(_CLOSE):
                self._client_closes()
            elif payload.startswith(_CLOSE_OK):
                self._finish()
            return
        call = decode_method(payload)
        awaited = _CONNECTION_METHODS.get(call.name)
        if awaited is None or awaited[0] is not self.state:
            raise ChannelError(
                f"unexpected method in connection state {_STATE_NAMES[self.state]}"
            ).at(*call.ids, call.name)
        awaited[1](self, call)

    def _update_secret(self, call: MethodCall) -> None:
        self._send("connection.update-secret-ok")

    def _client_closes(self, call: MethodCall | None = None) -> None:
        self.state = State.CLOSING
        if self.engine is not None:
            self.engine.close()
        self.channels.clear()
        self.confirming.clear()
        before = len(self.out)
        self._send("connection.close-ok")
        self.promise(before)
        self._finish()

    def _start_ok(self, call: MethodCall) -> None:
        self.client_properties = call.client_properties
        mechanism = call.mechanism
        if mechanism not in self._mechanisms().split():
            raise CommandInvalid(f"unknown authentication mechanism '{mechanism}'")
        user = authenticate(
            self.broker, mechanism, call.response, external_user=self._external_user
        )
        if user == "guest" and not self._loopback:
            user = None
            self.reason = "user 'guest' can only connect via localhost"
        if user is None:
            self._refuse_login(mechanism)
            return
        self.user = user
        self.state = State.TUNE
        self._frame_limit = self.limits.frame_max
        self._send(
            "connection.tune",
            channel_max=self.limits.channel_max,
            frame_max=self.limits.frame_max,
            heartbeat=self.limits.heartbeat_s,
        )

    def _refuse_login(self, mechanism: str) -> None:
        """Send a client away whose login is refused, with the reason where it reads one (S120)."""
        self.login_refused = True
        self.reason = self.reason or f"login refused using mechanism {mechanism}"
        if self._capable("authentication_failure_close"):
            self._send(
                "connection.close",
                reply_code=403,
                reply_text="ACCESS_REFUSED - Login was refused using authentication mechanism"
                f" {mechanism}. For details see the broker logfile.",
            )
            self.state = State.CLOSING
        else:
            self._finish()

    def _tune_ok(self, call: MethodCall) -> None:
        # From here on an error is told: RabbitMQ has its text for these, and then drops the client.
        self.state = State.OPEN
        limits = self.limits
        frame_max = _negotiated(
            "frame_max", call.frame_max, self.broker.profile.frame_min_bytes, limits.frame_max
        )
        self.channel_max = _negotiated("channel_max", call.channel_max, 1, limits.channel_max)
        self.frame_max = frame_max
        self.body_max = frame_max - OVERHEAD
        # RabbitMQ tolerates a frame up to 8 bytes over the limit (S122): payloads of `frame_max`.
        self._frame_limit = frame_max
        self.heartbeat_s = call.heartbeat

    def _open(self, call: MethodCall) -> None:
        self.engine = self.broker.connect(self._virtual_host or call.virtual_host, self.user)
        self.engine.on_closed = self._ended
        self.engine.cancel_notify = self._capable("consumer_cancel_notify")
        self.state = State.RUNNING
        self._send("connection.open-ok")


#: Method -> the state in which it is awaited, and what it does (AMQP 0-9-1 section 2.2.4).
_CONNECTION_METHODS: dict[str, tuple[State, Callable[[ConnectionMethods, MethodCall], None]]] = {
    "connection.start-ok": (State.START, ConnectionMethods._start_ok),
    "connection.tune-ok": (State.TUNE, ConnectionMethods._tune_ok),
    "connection.open": (State.OPEN, ConnectionMethods._open),
    "connection.update-secret": (State.RUNNING, ConnectionMethods._update_secret),
    "connection.close": (State.RUNNING, ConnectionMethods._client_closes),
}


def _negotiated(name: str, asked: int, least: int, most: int) -> int:
    """Return a limit that the client asks for (S122); 0 would be none.

    Raises:
        NotAllowed: it is not within what the server grants.

    """
    if asked and asked < least:
        text = f"negotiated {name} = {asked} is lower than the minimum allowed value ({least})"
    elif asked == 0 or asked > most:
        text = f"negotiated {name} = {asked} is higher than the maximum allowed value ({most})"
    else:
        return asked
    raise NotAllowed(text).at(10, 30, "connection.tune")
