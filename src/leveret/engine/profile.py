"""Where RabbitMQ's versions behave differently: one frozen set of answers a version.

A broker is made with one profile and reads it at decision points; nothing else in the engine
knows about versions. The rows are those of the behaviour contract.
"""

from __future__ import annotations

from attrs import evolve, field, frozen

from leveret.queues.dead_letter import DeathRules
from leveret.queues.rules import RULES, QueueRules

__all__ = ["DEFAULT_PROFILE", "PROFILES", "Profile"]

_MIB = 1024 * 1024


@frozen
class Profile:
    """The behaviour of one RabbitMQ version."""

    version: str
    #: A transient queue that is not exclusive may be declared (S20).
    transient_queues: bool = True
    #: basic.qos with global=true limits the channel; otherwise it is taken as per consumer (S75).
    global_qos: bool = True
    #: A classic queue's consumer may time out too, and the channel closes for it (S86).
    classic_consumer_timeout: bool = True
    queues: QueueRules = field(factory=QueueRules)
    deaths: DeathRules = field(factory=DeathRules)
    #: The smallest frame_max that a client may negotiate, in bytes (S122).
    frame_min_bytes: int = 8192
    #: The largest body, in bytes (S68).
    max_message_bytes: int = 16 * _MIB
    #: `#` words in one topic binding key; None is no limit (S49).
    topic_hash_words: int | None = None
    #: A mandatory direct reply is returned: it reached no queue, delivered or not (S119).
    returns_direct_replies: bool = False
    #: Binding the pseudo-queue of direct reply-to is refused as such (S118).
    reply_queues_are_volatile: bool = True
    #: An unknown exchange type closes the channel with 406, not the connection with 503 (S14).
    unknown_exchange_type_is_soft: bool = True
    #: A `delivery_mode` property that is neither 1 nor 2 is refused.
    checks_delivery_mode: bool = False
    #: Texts on refused access say which permission is lacking.
    names_refused_permission: bool = True


_V42 = Profile(version="4.2", queues=RULES["4.2"])
_V313 = evolve(
    _V42,
    version="3.13",
    deaths=DeathRules(trusts_client=True),
    frame_min_bytes=4096,
    max_message_bytes=128 * _MIB,
    returns_direct_replies=True,
    reply_queues_are_volatile=False,
    queues=RULES["3.13"],
)
_V310 = evolve(
    _V313,
    version="3.10",
    deaths=DeathRules(trusts_client=True, records_last=False, old_layout=True),
    queues=RULES["3.10"],
    checks_delivery_mode=True,
    unknown_exchange_type_is_soft=False,
    names_refused_permission=False,
)
_V43 = evolve(
    _V42,
    version="4.3",
    transient_queues=False,
    global_qos=False,
    classic_consumer_timeout=False,
    queues=RULES["4.3"],
    topic_hash_words=2,
)

#: Version -> its profile.
PROFILES: dict[str, Profile] = {p.version: p for p in (_V310, _V313, _V42, _V43)}

DEFAULT_PROFILE = _V42
