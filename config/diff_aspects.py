"""One object against another: in which fields, arguments or secrets they differ."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any

from leveret.config.definitions import Object, canonical_json, default_of
from leveret.config.diff import Aspect

__all__ = ["argument_aspects", "field_aspects", "user_aspects"]

_HASHES = {
    "rabbit_password_hashing_sha256": "sha256",
    "rabbit_password_hashing_sha512": "sha512",
    "rabbit_password_hashing_md5": "md5",
}


def field_aspects(
    item: Object, before: Object, names: Any, section: str = "vhosts"
) -> tuple[Aspect, ...]:
    """Return in which of the named fields an object differs, each default filled in."""
    found = []
    for name in sorted(names):
        wanted = item.get(name, default_of(section, name, item))
        present = before.get(name, default_of(section, name, before))
        if wanted != present or canonical_json(wanted) != canonical_json(present):
            found.append(Aspect(name, wanted, present))
    return tuple(found)


def argument_aspects(kind: str, item: Object, before: Object) -> tuple[Aspect, ...]:
    """Return in which arguments an exchange or queue differs; classic is the default type."""
    wanted, present = _arguments(kind, item), _arguments(kind, before)
    if wanted == present and canonical_json(wanted) == canonical_json(present):
        return ()
    return tuple(
        Aspect(name, wanted.get(name), present.get(name))
        for name in sorted(wanted.keys() | present.keys())
        if canonical_json(wanted.get(name)) != canonical_json(present.get(name))
    )


def _arguments(kind: str, item: Object) -> dict[str, Any]:
    arguments = item.get("arguments") or {}
    if not isinstance(arguments, dict):  # what no version of RabbitMQ writes
        return {"arguments": arguments}
    if kind == "queue" and arguments.get("x-queue-type") == "classic":
        return {name: value for name, value in arguments.items() if name != "x-queue-type"}
    return dict(arguments)


def user_aspects(password: str | None, item: Object, before: Object) -> tuple[Aspect, ...]:
    """Return in what a user differs; no secret is among it."""
    aspects = []
    if not _same_password(password, item, before):
        aspects.append(Aspect("password", "(another)", "(hidden)"))
    tags, tags_before = _tags(item.get("tags")), _tags(before.get("tags"))
    if tags != tags_before:
        aspects.append(Aspect("tags", sorted(tags), sorted(tags_before)))
    if item.get("limits") and item["limits"] != before.get("limits"):
        aspects.append(Aspect("limits", item["limits"], before.get("limits")))
    return tuple(aspects)


def _tags(tags: Any) -> set[str]:
    if isinstance(tags, str):
        return set(filter(None, map(str.strip, tags.split(","))))
    return set(map(str, tags)) if isinstance(tags, list) else set()


def _same_password(password: str | None, item: Object, before: Object) -> bool:
    """Tell whether a user's password is the wanted one; a user without any asks for none."""
    wanted, present = item.get("password_hash"), before.get("password_hash")
    if wanted == present or not wanted:
        return True
    if password is None or not isinstance(present, str):
        return False
    algorithm = _HASHES.get(str(before.get("hashing_algorithm")), "md5")
    try:
        salted = base64.b64decode(present, validate=True)
    except binascii.Error:
        return False
    return hashlib.new(algorithm, salted[:4] + password.encode()).digest() == salted[4:]
