"""Users, and what each may configure, write and read in each virtual host.

Patterns are searched for in a resource's name, as RabbitMQ does; an empty pattern matches only
the empty name, which no resource has. The default exchange is checked as `amq.default`. Hashing is
imported where a password is handled: a broker in process has no use for it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, TypeAlias

from attrs import Factory, define, field, frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from leveret.engine.ports import Random
    from leveret.properties import FieldValue

__all__ = ["Access", "Action", "Permission", "TopicPermission", "User", "Users", "hash_password"]

Action: TypeAlias = Literal["configure", "write", "read"]


def hash_password(password: str, random: Random) -> str:
    """Return RabbitMQ's salted hash of a password: base64 of 4 bytes salt and SHA-256."""
    import base64
    import hashlib

    salt = random.getrandbits(32).to_bytes(4, "big")
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text or "^$")
    except re.error as error:
        raise ValueError(
            f"the permission pattern {text!r} is not a regular expression: {error}"
        ) from None


@frozen
class Permission:
    """Three regular expressions: what a user may configure, write and read in a virtual host.

    Raises:
        ValueError: one of them is not a regular expression.

    """

    configure: str = ".*"
    write: str = ".*"
    read: str = ".*"
    _compiled: dict[Action, re.Pattern[str]] = field(
        default=Factory(lambda self: self._compile(), takes_self=True),
        init=False,
        eq=False,
        repr=False,
    )

    def _compile(self) -> dict[Action, re.Pattern[str]]:
        return {
            "configure": _pattern(self.configure),
            "write": _pattern(self.write),
            "read": _pattern(self.read),
        }

    def allows_all(self) -> bool:
        """Say whether everything is allowed."""
        return self.configure == self.write == self.read == ".*"

    def allows(self, action: Action, name: str) -> bool:
        """Say whether `action` on the resource `name` is allowed."""
        return self._compiled[action].search(name or "amq.default") is not None


@frozen
class TopicPermission:
    """Regular expressions on routing keys of one topic exchange.

    `{username}` and `{vhost}` in a pattern stand for the user's and the virtual host's name.
    """

    write: str = ".*"
    read: str = ".*"

    def allows(self, action: Action, routing_key: str, *, username: str, virtual_host: str) -> bool:
        """Say whether a routing key may be published with (write) or bound (read)."""
        text = self.write if action == "write" else self.read
        text = text.replace("{username}", re.escape(username))
        text = text.replace("{vhost}", re.escape(virtual_host))
        return _pattern(text).search(routing_key) is not None


@define(eq=False)
class User:
    """A user: a password hash (None: cannot log in with a password) and tags."""

    name: str
    password_hash: str | None = None
    tags: frozenset[str] = frozenset()

    def verify(self, password: str) -> bool:
        """Say whether this is the user's password."""
        import base64
        import hashlib
        import hmac

        if self.password_hash is None:
            return False
        try:
            salted = base64.b64decode(self.password_hash, validate=True)
        except ValueError:
            return False
        digest = hashlib.sha256(salted[:4] + password.encode()).digest()
        return hmac.compare_digest(salted[4:], digest)


@define(eq=False)
class Access:
    """One user's permissions in one virtual host, with what was found allowed remembered."""

    user: User
    virtual_host: str
    permission: Permission
    # exchange -> its topic permission
    topic: dict[str, TopicPermission] = field(factory=dict)
    #: Whether everything is allowed; asked for each basic.get.
    unrestricted: bool = field(
        default=Factory(lambda self: self.permission.allows_all(), takes_self=True), init=False
    )
    #: Exchanges that may be published to with any key: checked, there, not internal.
    publishable: set[str] = field(factory=set)

    def allows(self, action: Action, name: str) -> bool:
        """Say whether the user may do `action` on the resource `name`."""
        return self.unrestricted or self.permission.allows(action, name)

    def allows_topic(self, action: Action, exchange: str, routing_key: str) -> bool:
        """Say whether the user may use a routing key on a topic exchange."""
        permission = self.topic.get(exchange)
        return permission is None or permission.allows(
            action, routing_key, username=self.user.name, virtual_host=self.virtual_host
        )


@define(eq=False)
class Users:
    """All users of a broker and their permissions."""

    # name -> user
    _users: dict[str, User] = field(factory=dict, init=False)
    # (user, virtual host) -> permission
    _permissions: dict[tuple[str, str], Permission] = field(factory=dict, init=False)
    # (user, virtual host) -> exchange -> permission
    _topic: dict[tuple[str, str], dict[str, TopicPermission]] = field(factory=dict, init=False)
    # (user, virtual host) -> what is handed to connections
    _access: dict[tuple[str, str], Access] = field(factory=dict, init=False)

    #: Where changes are noted, where they must survive (`ports.Journal.changed`).
    note: Callable[[str, tuple[str, ...], Mapping[str, FieldValue] | None], None] | None = field(
        default=None, init=False
    )

    def __contains__(self, name: object) -> bool:
        return name in self._users

    def __getitem__(self, name: str) -> User:
        return self._users[name]

    def add(self, user: User) -> None:
        """Add a user, or replace the one of that name; connections in place are not touched."""
        self._users[user.name] = user
        self._note_user(user)

    def remove(self, name: str) -> None:
        """Remove a user with all its permissions; nothing happens where there is none."""
        self._users.pop(name, None)
        self._note("user", (name,), None)
        for key in [key for key in self._permissions if key[0] == name]:
            self.clear_permission(*key)

    def set_permission(self, user: str, virtual_host: str, permission: Permission) -> None:
        """Grant a user access to a virtual host; connections in place follow at once.

        Raises:
            KeyError: there is no such user.

        """
        self._permissions[self._users[user].name, virtual_host] = permission
        self._note("permission", (user, virtual_host), _value(permission))
        self._refresh(user, virtual_host)

    def clear_permission(self, user: str, virtual_host: str) -> None:
        """Take a user's access to a virtual host away."""
        self._permissions.pop((user, virtual_host), None)
        self._note("permission", (user, virtual_host), None)
        for exchange in self._topic.pop((user, virtual_host), {}):
            self._note("topic_permission", (user, virtual_host, exchange), None)
        self._refresh(user, virtual_host)

    def set_topic_permission(
        self, user: str, virtual_host: str, exchange: str, permission: TopicPermission
    ) -> None:
        """Restrict the routing keys a user may use on one topic exchange."""
        self._topic.setdefault((user, virtual_host), {})[exchange] = permission
        value = {"write": permission.write, "read": permission.read}
        self._note("topic_permission", (user, virtual_host, exchange), value)
        self._refresh(user, virtual_host)

    def with_access(self, virtual_host: str) -> list[str]:
        """Return the users that may use a virtual host."""
        return [user for user, host in self._permissions if host == virtual_host]

    def access(self, user: str, virtual_host: str) -> Access | None:
        """Return what a user may do in a virtual host; None where it has no access at all."""
        permission = self._permissions.get((user, virtual_host))
        if permission is None or user not in self._users:
            return None
        access = self._access.get((user, virtual_host))
        if access is None:
            topic = self._topic.get((user, virtual_host), {})
            access = Access(self._users[user], virtual_host, permission, topic)
            self._access[user, virtual_host] = access
        return access

    def forget_publishable(self, virtual_host: str) -> None:
        """Have every exchange of a virtual host checked again before the next publish."""
        for (_, name), access in self._access.items():
            if name == virtual_host:
                access.publishable.clear()

    def _note(
        self, kind: str, key: tuple[str, ...], value: Mapping[str, FieldValue] | None
    ) -> None:
        if self.note is not None:
            self.note(kind, key, value)

    def _note_user(self, user: User) -> None:
        tags: list[FieldValue] = [*sorted(user.tags)]
        self._note("user", (user.name,), {"password_hash": user.password_hash, "tags": tags})

    def note_all(self) -> None:
        """Note all users and permissions there are."""
        for user in self._users.values():
            self._note_user(user)
        for key, permission in self._permissions.items():
            self._note("permission", key, _value(permission))

    def _refresh(self, user: str, virtual_host: str) -> None:
        access = self._access.get((user, virtual_host))
        if access is not None:
            nothing = Permission("^$", "^$", "^$")
            access.permission = self._permissions.get((user, virtual_host), nothing)
            access.unrestricted = access.permission.allows_all()
            access.topic = self._topic.get((user, virtual_host), {})
            access.publishable.clear()


def _value(permission: Permission) -> dict[str, FieldValue]:
    return {
        "configure": permission.configure,
        "write": permission.write,
        "read": permission.read,
    }
