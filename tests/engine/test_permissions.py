"""Users and permissions: who may configure, write and read what.

Statements: S67 S121.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leveret import Properties
from leveret.engine import Permission, TopicPermission, User
from leveret.engine.permissions import hash_password
from leveret.errors import NotAllowed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.engine.conftest import Rig

    from leveret import Channel


def grant(
    broker: Rig, configure: str = "", write: str = "", read: str = "", user: str = "u"
) -> Channel:
    """Make a user with these permissions; return a channel of a connection of theirs."""
    broker.users.add(User(user))
    broker.users.set_permission(user, "/", Permission(configure, write, read))
    return broker.connect(user=user).channel()


def lacking(broker: Rig, what: str) -> str:
    """Return the text of a refusal; that of 3.10 does not say which permission is lacking."""
    if broker.profile.version == "3.10":
        what = what.split(maxsplit=1)[1]
    return f"{what} in vhost '/' refused for user 'u'"


# (method, permission that is enough, call, what is refused without it)
Call = tuple[str, dict[str, str], "Callable[[Channel], object]", str]
CALLS: list[Call] = [
    (
        "queue.declare",
        {"configure": "^new$"},
        lambda c: c.queue_declare("new"),
        "configure access to queue 'new'",
    ),
    (
        "queue.declare",
        {"configure": "^new$", "read": "^new$", "write": "^dlx$"},
        lambda c: c.queue_declare("new", arguments={"x-dead-letter-exchange": "dlx"}),
        "configure access to queue 'new'",
    ),
    (
        "queue.delete",
        {"configure": "^q$"},
        lambda c: c.queue_delete("q"),
        "configure access to queue 'q'",
    ),
    (
        "exchange.declare",
        {"configure": "^new$"},
        lambda c: c.exchange_declare("new"),
        "configure access to exchange 'new'",
    ),
    (
        "exchange.declare",
        {"configure": "^new$", "read": "^new$", "write": "^ae$"},
        lambda c: c.exchange_declare("new", arguments={"alternate-exchange": "ae"}),
        "configure access to exchange 'new'",
    ),
    (
        "exchange.delete",
        {"configure": "^x$"},
        lambda c: c.exchange_delete("x"),
        "configure access to exchange 'x'",
    ),
    (
        "queue.bind",
        {"write": "^q$", "read": "^x$"},
        lambda c: c.queue_bind("q", "x"),
        "write access to queue 'q'",
    ),
    (
        "queue.unbind",
        {"write": "^q$", "read": "^x$"},
        lambda c: c.queue_unbind("q", "x"),
        "write access to queue 'q'",
    ),
    (
        "exchange.bind",
        {"write": "^y$", "read": "^x$"},
        lambda c: c.exchange_bind("y", "x"),
        "write access to exchange 'y'",
    ),
    ("queue.purge", {"read": "^q$"}, lambda c: c.queue_purge("q"), "read access to queue 'q'"),
    ("basic.get", {"read": "^q$"}, lambda c: c.basic_get("q"), "read access to queue 'q'"),
    ("basic.consume", {"read": "^q$"}, lambda c: c.basic_consume("q"), "read access to queue 'q'"),
    (
        "basic.publish",
        {"write": "^x$"},
        lambda c: c.basic_publish("x", "k", "m"),
        "write access to exchange 'x'",
    ),
    (
        "basic.publish",
        {"write": "^amq.default$"},
        lambda c: c.basic_publish("", "q", "m"),
        "write access to exchange ''",
    ),
]


@pytest.fixture
def shop(broker: Rig) -> Rig:
    """Return a broker with a queue `q` and exchanges `x` and `y`."""
    broker.queue_declare("q")
    broker.exchange_declare("x", "fanout")
    broker.exchange_declare("y", "fanout")
    return broker


@pytest.mark.parametrize(("method", "needs", "call", "_"), CALLS)
def test_a_call_is_allowed_with_just_the_permission_it_needs(
    shop: Rig, method: str, needs: dict[str, str], call: Callable[[Channel], object], _: str
) -> None:
    channel = grant(shop, **needs)
    call(channel)
    assert channel.is_open


@pytest.mark.parametrize(("method", "needs", "call", "what"), CALLS)
def test_and_refused_without(
    shop: Rig, method: str, needs: dict[str, str], call: Callable[[Channel], object], what: str
) -> None:
    channel = grant(shop)
    text = lacking(shop, what)
    with shop.refusing(channel, 403, text, method):
        call(channel)


def test_a_binding_needs_reading_its_source_too(shop: Rig) -> None:
    channel = grant(shop, write="^q$")
    text = lacking(shop, "read access to exchange 'x'")
    with shop.refusing(channel, 403, text, "queue.bind"):
        channel.queue_bind("q", "x")


def test_a_passive_declare_needs_no_permission(shop: Rig) -> None:
    channel = grant(shop)
    channel.queue_declare("q", passive=True)
    channel.exchange_declare("x", passive=True)


def test_an_empty_pattern_allows_nothing_and_others_are_looked_for_anywhere(shop: Rig) -> None:
    channel = grant(shop, configure="mine")
    channel.queue_declare("it.is.mine.now")
    assert Permission("", "", "").allows("read", "") is False
    assert Permission().allows("write", "anything")
    with pytest.raises(ValueError, match=r"the permission pattern '\(' is not a regular"):
        Permission("(")


def test_permissions_that_change_hold_at_once_for_connections_in_place(shop: Rig) -> None:
    channel = grant(shop, write=".*")
    channel.basic_publish("x", "", "m")
    shop.users.set_permission("u", "/", Permission("", "", ""))
    text = lacking(shop, "write access to exchange 'x'")
    with shop.refusing(channel, 403, text, "basic.publish"):
        channel.basic_publish("x", "", "m")


def test_a_user_who_lost_all_permissions_can_do_nothing(shop: Rig) -> None:
    channel = grant(shop, read=".*")
    shop.users.remove("u")
    text = lacking(shop, "read access to queue 'q'")
    with shop.refusing(channel, 403, text, "basic.get"):
        channel.basic_get("q")
    with pytest.raises(NotAllowed):
        shop.connect(user="u")


# -- routing keys of topic exchanges


def test_a_topic_permission_restricts_keys_to_publish_with(shop: Rig) -> None:
    channel = grant(shop, write=".*")
    shop.users.set_topic_permission("u", "/", "amq.topic", TopicPermission(r"^{username}\."))
    channel.basic_publish("amq.topic", "u.created", "m")
    channel.basic_publish("amq.direct", "others.created", "m")
    text = lacking(shop, "write access to topic 'others.created' in exchange 'amq.topic'")
    with shop.refusing(channel, 403, text, "basic.publish"):
        channel.basic_publish("amq.topic", "others.created", "m")


def test_and_keys_to_bind_with(shop: Rig) -> None:
    channel = grant(shop, write=".*", read=".*")
    shop.users.set_topic_permission("u", "/", "amq.topic", TopicPermission(".*", "^public"))
    channel.queue_bind("q", "amq.topic", "public.#")
    text = lacking(shop, "read access to topic '#' in exchange 'amq.topic'")
    with shop.refusing(channel, 403, text, "queue.bind"):
        channel.queue_bind("q", "amq.topic", "#")


def test_a_name_in_a_topic_pattern_is_taken_as_it_is() -> None:
    permission = TopicPermission("^{username}-{vhost}$")
    assert permission.allows("write", "a.b-/", username="a.b", virtual_host="/")
    assert not permission.allows("write", "aXb-/", username="a.b", virtual_host="/")


# -- connections and passwords


def test_s121_a_connection_needs_a_virtual_host_and_access_to_it(broker: Rig) -> None:
    with pytest.raises(NotAllowed) as caught:
        broker.connect("none")
    assert caught.value.reply_text == "NOT_ALLOWED - vhost none not found"
    broker.add_virtual_host("other")
    with pytest.raises(NotAllowed) as caught:
        broker.connect("other")
    text = "NOT_ALLOWED - access to vhost 'other' refused for user 'guest'"
    assert caught.value.reply_text == text
    assert (caught.value.class_id, caught.value.method_id) == (10, 40)


def test_virtual_hosts_know_nothing_of_each_other(broker: Rig) -> None:
    broker.add_virtual_host("other")
    broker.users.set_permission("guest", "other", Permission())
    here, there = broker.channel(), broker.channel("other")
    here.queue_declare("q")
    with broker.refusing(there, 404, "no queue 'q' in vhost 'other'", "queue.declare"):
        there.queue_declare("q", passive=True)
    there = broker.channel("other")
    there.queue_declare("q")
    there.basic_publish("", "q", "m")
    assert broker.depth("q") == 0


def test_a_password_is_kept_as_a_salted_hash(broker: Rig) -> None:
    hashed = hash_password("secret", broker.random)
    assert "secret" not in hashed
    assert hashed != hash_password("secret", broker.random)
    user = User("u", hashed)
    assert user.verify("secret")
    assert not user.verify("Secret")
    assert not User("nobody").verify("")
    assert not User("broken", "not base64!").verify("x")
    assert broker.users["guest"].verify("guest")


def test_s67_properties_are_looked_at_after_permissions(broker: Rig) -> None:
    channel = grant(broker)
    text = lacking(broker, "write access to exchange ''")
    with broker.refusing(channel, 403, text, "basic.publish"):
        channel.basic_publish("", "q", "m", Properties(user_id="guest"))
