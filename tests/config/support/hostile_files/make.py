"""Hostile input for the readers: spoiled files, pieces of YAML, whole but senseless topologies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import define, field

if TYPE_CHECKING:
    from random import Random

__all__ = ["PIECES", "Maker"]

_TESTS = Path(__file__).parents[2]
_EXAMPLES = _TESTS.parents[1] / "examples"

#: What topology files are made of, and what YAML makes trouble with.
PIECES = [
    "exchanges:", "queues:", "bindings:", "virtual_hosts:", "defaults:", "policies:", "users:",
    "expect:", "requests:", "arguments:", "dead_letter:", "routing_key:", "match:", "publish:",
    "type:", "ttl:", "permissions:", "topic_permissions:", "reaches:", "name:", "/:", "queue:",
    "definitions:", "operator_policies:", "include:", "lint:", "expires:", "pattern:",
    "definition:", "compatibility:", "alternate:", "x-match:", "x-dead-letter-exchange:",
    "a", "b", "topic", "headers", "fanout", "1h", "true", "~", "5", "1.5", "*a", "&a", "<<:",
    "!!int", "!!binary", "!x", "${A}", "${B:-1}", "${", "a[b, c] -> d", "a -> exchange b",
    "a[#.*.#] -> b", "'", '"', "[", "]", "{", "}", ",", ": ", "- ", "? ", "|", ">", "#", " #",
    "\n", "\n  ", "\n    ", "\n- ", "\t", "\r", "\u2028", "\ufeff", "\0", "é", "%", "---", "...",
    ".inf", ".nan", "-0", "1e999", "0x10", "9" * 40, "\\", "\ud7ff", "(a+)+b", "a" * 300,
]  # fmt: skip

_NAMES = ("a", "b", "c", "d", "amq.topic")
_ODD_NAMES = ("e", "", " a", "é", "a\nb", "x" * 255, "x" * 256, "${A}", "amq.x", "#", "a.b")
_TYPES = ("direct", "fanout", "topic", "headers", "x-random")
_ODD_TYPES = ("x-consistent-hash", "x-none", "", None)
_KEYS = ("", "#", "*", "a", "b", "a.b", "a.*.#", "#.a.#.b", "a..b", "1")
_ODD_KEYS = ("0", "x" * 255, "b c", "é.*", "#.#.#.#", "a," * 50, '"', "x" * 256)
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**31, 2**63, 2**64, 1.5, float("inf"), float("nan"), "", "a",
    "1h", "10KiB", "1:30", "on", [], {}, [1, "a"], {"a": {"b": [None]}}, "topic", "quorum", "1w",
)  # fmt: skip
#: Argument -> values that RabbitMQ would take.
_ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "x-message-ttl": (0, 1, 60_000),
    "x-expires": (1, 60_000),
    "x-max-length": (0, 10),
    "x-max-length-bytes": (0, 2**40),
    "x-overflow": ("drop-head", "reject-publish"),
    "x-dead-letter-exchange": ("", *_NAMES),
    "x-max-priority": (0, 10),
    "x-queue-mode": ("lazy",),
    "k": _VALUES[:8],
}
_PATTERNS = (".*", "^a$", "(a|b)*c", "(a+)+b", "^$", "", "(?i)A", r"\bx", "a{1,30}", "(?=a)b")
_ODD_PATTERNS = ("(", "(?<=a)b", "((((a{1,30}){1,30}){1,30}){1,30})", r"(a)\1", "[[:alpha:]]", "*")


@define
class Maker:
    """Makes one hostile file after the other."""

    random: Random
    files: list[bytes] = field(init=False, factory=lambda: _files())
    definitions: list[bytes] = field(init=False, factory=lambda: _definitions())

    def make(self) -> bytes:
        """Return a file of one kind or another."""
        match self.random.randrange(10):
            case 0:
                return self.random.randbytes(self.random.choice((1, 10, 100)))
            case 1 | 2:
                return _pieces(self.random)
            case 3 | 4:
                return _spoil_json(self.random, self.definitions)
            case 5 | 6:
                return _Senseless(self.random, self.random.choice((10, 100, 1000))).topology()
        return _spoil(self.random, self.files)


def _files() -> list[bytes]:
    """Return the topology files of the tests and the examples, good and broken."""
    found = [file for part in ("broken", "checked") for file in (_TESTS / part).glob("*.yaml")]
    found += _EXAMPLES.rglob("*.yaml")
    return [file.read_bytes() for file in sorted(found)]


def _definitions() -> list[bytes]:
    """Return the definitions of the examples."""
    return [file.read_bytes() for file in sorted(_EXAMPLES.rglob("*.json"))]


def _spoil(random: Random, known: list[bytes]) -> bytes:
    """Return a file with one to four things done to it."""
    data = bytearray(random.choice(known))
    for _ in range(random.choice((1, 1, 2, 4))):
        at = random.randrange(len(data) + 1)
        match random.randrange(9):
            case 0 if at < len(data):
                data[at] ^= 1 << random.randrange(8)
            case 1:
                del data[at : at + random.choice((1, 1, 2, 8, 50))]
            case 2:
                data[at:at] = random.randbytes(random.choice((1, 2, 8)))
            case 3 | 4:
                data[at:at] = random.choice(PIECES).encode()
            case 5:
                other = random.choice(known)
                data[at:at] = other[: random.randrange(len(other) + 1)]
            case 6:
                part = bytes(data[at : at + random.choice((1, 5, 40))])
                data[at:at] = part * random.choice((1, 2, 30))
            case 7:
                lines = data.split(b"\n")
                random.shuffle(lines)
                data = bytearray(b"\n".join(lines))
            case _:
                lines = data.split(b"\n")
                place = random.randrange(len(lines))
                lines[place] = bytearray(b" " * random.randrange(6) + lines[place].lstrip())
                data = bytearray(b"\n".join(lines))
    return bytes(data)


def _pieces(random: Random) -> bytes:
    """Return pieces of files in any order."""
    chosen = random.choices(PIECES, k=random.choice((3, 10, 40)))
    return random.choice(("", " ")).join(chosen).encode()


def _spoil_json(random: Random, known: list[bytes]) -> bytes:
    """Return definitions in which a few values are others, or whose text is spoiled."""
    if not random.randrange(4):
        return _spoil(random, known)
    value = json.loads(random.choice(known))
    for _ in range(random.choice((1, 2, 5))):
        _spoil_value(random, value)
    return json.dumps(value).encode()


def _spoil_value(random: Random, value: Any) -> None:
    """Walk down from the root and replace, remove or repeat what is there."""
    while isinstance(value, dict | list) and value:
        key = (
            random.choice(list(value)) if isinstance(value, dict) else random.randrange(len(value))
        )
        if isinstance(value[key], dict | list) and value[key] and random.randrange(5):
            value = value[key]
            continue
        match random.randrange(4):
            case 0:
                del value[key]
            case 1 if isinstance(value, list):
                value.append(value[key])
            case 2 if isinstance(value, dict):
                value[random.choice((*_NAMES, *_ODD_NAMES, "name", "vhost"))] = value[key]
            case _:
                value[key] = random.choice((*_VALUES, *_NAMES, *_ODD_NAMES, *_KEYS, *_TYPES))
        return


@define
class _Senseless:
    """Makes topologies of the right shape whose contents make little sense."""

    random: Random
    #: One of so many values is one that no one would write.
    sanity: int

    def topology(self) -> bytes:
        made: dict[str, Any] = {"compatibility": self.pick(("3.10", "3.13", "4.2"), ("4.3", 4))}
        made |= self.sections()
        if not self.random.randrange(3):
            made["virtual_hosts"] = {name: self.sections() for name in self.some(("v", "w"))}
        if not self.random.randrange(2):
            made["users"] = {name: self.user() for name in self.some(("u", "v"))}
        if not self.random.randrange(4):
            made["expect"] = [self.expectation() for _ in range(self.random.randrange(5))]
        # JSON is YAML, save for the numbers that it lacks
        text = json.dumps(made).replace("NaN", ".nan").replace("Infinity", ".inf")
        return text.encode()

    def pick(self, sane: tuple[Any, ...], odd: tuple[Any, ...]) -> Any:
        return self.random.choice(sane if self.random.randrange(self.sanity) else odd)

    def some(self, choices: tuple[str, ...]) -> list[str]:
        found = self.random.sample(choices, self.random.randrange(len(choices) + 1))
        return [*found, self.random.choice(_ODD_NAMES)] if self.is_odd() else found

    def is_odd(self) -> bool:
        return not self.random.randrange(self.sanity)

    def name(self) -> str:
        return str(self.pick(_NAMES[:4], _ODD_NAMES))

    def sections(self) -> dict[str, Any]:
        names = _NAMES[:4]
        return {
            "exchanges": {name: self.exchange() for name in (*names, *self.odd_names())},
            "queues": {name: self.queue() for name in (*names, *self.odd_names())},
            "bindings": [self.binding() for _ in range(self.random.randrange(12))],
            "policies": {name: self.policy() for name in self.some(names)},
            "operator_policies": {name: self.policy() for name in self.some(names[:1])},
            "requests": {
                name: {"exchange": self.name(), "routing_key": self.key()}
                for name in self.some(names[:2])
            },
        }

    def odd_names(self) -> list[str]:
        return [self.random.choice(_ODD_NAMES)] if self.is_odd() else []

    def key(self) -> Any:
        return self.pick(_KEYS, _ODD_KEYS)

    def arguments(self) -> dict[str, Any]:
        return {
            name: self.pick(_ARGUMENTS[name], _VALUES)
            for name in self.random.sample(list(_ARGUMENTS), self.random.randrange(4))
        }

    def exchange(self) -> Any:
        if self.random.randrange(2):
            return self.pick(_TYPES, _ODD_TYPES)
        made: dict[str, Any] = {"type": self.pick(_TYPES, _ODD_TYPES)}
        if self.random.randrange(2):
            made["alternate"] = self.name()
        if not self.random.randrange(4):
            made["internal"] = self.pick((True, False), _VALUES)
        if not self.random.randrange(8):
            made["arguments"] = {"k": self.random.choice(_VALUES)}
        return made

    def queue(self) -> Any:
        made: dict[str, Any] = {"arguments": self.arguments()}
        if self.random.randrange(2):
            target = {"exchange": self.name()}
            if self.random.randrange(2):
                target["routing_key"] = self.key()
            made["dead_letter"] = self.pick((target,), (True, False, None, [target]))
            made["arguments"].pop("x-dead-letter-exchange", None)
        if self.is_odd():
            made[self.random.choice(("ttl", "max_bytes", "type"))] = self.random.choice(_VALUES)
        return made

    def binding(self) -> Any:
        source, end = self.name(), self.name()
        match self.random.randrange(4):
            case 0:
                return f'{source}["{self.key()}", {self.key() or "a"}] -> {end}'
            case 1:
                match = {
                    "x-match": self.pick(("all", "any"), _VALUES),
                    "k": self.pick((1,), _VALUES),
                }
                return {"source": source, "destination": end, "arguments": match}
            case 2:
                return {
                    "source": source,
                    "destination": end,
                    "destination_type": self.pick(("queue", "exchange"), _VALUES),
                    "routing_key": self.key(),
                }
        return f'{source}["{self.key()}"] -> exchange {end}'

    def policy(self) -> dict[str, Any]:
        definition = {
            name.removeprefix("x-"): value
            for name, value in self.arguments().items()
            if name not in ("k", "x-max-priority") or self.is_odd()
        }
        return {
            "pattern": self.pick(_PATTERNS, _ODD_PATTERNS),
            "apply_to": self.pick(
                ("all", "queues", "exchanges", "quorum_queues"), ("a", "streams")
            ),
            "priority": self.pick((0, 1, -1), _VALUES),
            "definition": definition or {"max-length": 1},
        }

    def user(self) -> dict[str, Any]:
        patterns = {
            key: self.pick(_PATTERNS, _ODD_PATTERNS) for key in ("configure", "write", "read")
        }
        return {
            "password": self.pick(("a", "${A}"), _VALUES),
            "tags": self.pick(([], ["administrator"]), ("a", None, [1])),
            "permissions": {self.pick(("/",), _ODD_NAMES): patterns},
            "topic_permissions": {"/": {self.name(): {"write": "a", "read": "^b"}}},
        }

    def expectation(self) -> dict[str, Any]:
        reaches = self.random.sample(_NAMES[:4], self.random.randrange(4))
        if self.random.randrange(2):
            publish = {"exchange": self.name(), "routing_key": self.key()}
            headers = {
                "headers": {self.pick(("k",), ("CC", "x-death")): self.random.choice(_VALUES)}
            }
            return {"publish": publish | (headers if self.is_odd() else {}), "reaches": reaches}
        after = {} if self.random.randrange(2) else {"after": self.pick(("1s", "1h", 0), _VALUES)}
        return {"expires": {"queue": self.name()} | after, "reaches": reaches}
