"""Writes fidelity.md: each statement about RabbitMQ's behaviour, and the tests that prove it.

`python docs/fidelity.py` reads fidelity.toml, finds the ids that tests name (in a test's name, its
docstring, or the table it is run over), and writes the page.
"""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

from attrs import define, field, frozen

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "fidelity.md"
DATA = ROOT / "docs" / "fidelity.toml"

#: The RabbitMQ that tests/comparison runs.
JUDGE = "3.10"
#: What a test runs on that asks for no profile: these fixtures make a broker of one.
FIXTURES = {"broker": {"3.10", "4.2"}, "channel": {"3.10", "4.2"}, "old_broker": {"3.10"}}
#: Tests over a socket, and tests about this page.
WIRE, IGNORED = ("clients", "server", "wire"), ("docs",)

_ID = re.compile(r"\bS(\d+b?)\b|(?<=_)s(\d+b?)(?=_)")
_PROFILE = re.compile(r'"(3\.10|3\.13|4\.2|4\.3)"')

HEADING = """\
# Fidelity

<!-- Made by docs/fidelity.py from docs/fidelity.toml and the tests: change those, not this. -->

What a user of RabbitMQ can observe, in numbered statements, and what each rests on. *In process*
names the tests of the broker without a socket and the profiles they run on ("any" where versions
do not differ and none is asked for); *over the wire* the tests through the server; *RabbitMQ* is
the version that a comparison runs against, side by side, where a test there names the statement.
"""


@frozen
class Difference:
    """Where RabbitMQ, run or read, differs from a statement."""

    statement: str
    version: str
    how: str
    what: str


@frozen
class Departure:
    """Where leveret differs from RabbitMQ on purpose."""

    statement: str
    rabbitmq: str
    leveret: str
    why: str


@frozen
class Fidelity:
    """What fidelity.toml says."""

    # title -> id -> text
    sections: dict[str, dict[str, str]]
    # id -> why there is no test
    reasons: dict[str, str]
    differences: list[Difference]
    departures: list[Departure]

    @property
    def statements(self) -> dict[str, str]:
        """All statements, by id."""
        return {key: text for section in self.sections.values() for key, text in section.items()}


@define
class Proof:
    """The tests that name one statement."""

    # file, without `test_` and suffix -> profiles
    in_process: dict[str, set[str]] = field(factory=dict)
    wire: set[str] = field(factory=set)
    compared: bool = False


def read(path: Path = DATA) -> Fidelity:
    """Return what the data file says."""
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    return Fidelity(
        {section["title"]: section["statements"] for section in data["sections"]},
        data["reasons"],
        [Difference(**entry) for entry in data["differences"]],
        [Departure(**entry) for entry in data["departures"]],
    )


def ids_in(text: str) -> set[str]:
    """Return the ids that a text names: as `S42`, or as `_s42_` within a name.

    >>> sorted(ids_in("def test_s42_hash(): '''S43 too, not S44x.'''"))
    ['S42', 'S43']
    """
    return {f"S{upper or lower}" for upper, lower in _ID.findall(text)}


def tests_in(source: str) -> dict[str, set[str]]:
    """Return the ids that the tests of a file name, each with the profiles it is tested on."""
    tree = ast.parse(source)
    # A table at the top of a file -> its text.
    tables: dict[str, str] = {}
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
        for target in targets:
            if isinstance(target, ast.Name):
                tables[target.id] = ast.get_source_segment(source, node) or ""
    found: dict[str, set[str]] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            text = _whole_text(source, node, tables)
            for key in ids_in(text):
                found.setdefault(key, set()).update(_profiles(node, text))
    return found


def _whole_text(source: str, test: ast.FunctionDef, tables: dict[str, str]) -> str:
    """Return a test with its decorators and the tables they are over."""
    parts = [ast.get_source_segment(source, test) or ""]
    for decorator in test.decorator_list:
        parts.append(ast.get_source_segment(source, decorator) or "")
        names = [node.id for node in ast.walk(decorator) if isinstance(node, ast.Name)]
        parts += [tables[name] for name in names if name in tables]
    return "\n".join(parts)


def _profiles(test: ast.FunctionDef, text: str) -> set[str]:
    asked = set(_PROFILE.findall(text))
    arguments = {argument.arg for argument in test.args.args}
    made = set().union(*(FIXTURES[name] for name in arguments & set(FIXTURES)))
    return asked or made or {"any"}


def proofs(tests: Path = ROOT / "tests") -> dict[str, Proof]:
    """Return what tests prove, by id."""
    found: dict[str, Proof] = {}
    for path in sorted(tests.rglob("*")):
        folder = path.relative_to(tests).parts[0]
        if folder in IGNORED or path.suffix not in (".py", ".txt"):
            continue
        source = path.read_text(encoding="utf-8")
        if folder == "comparison":
            for key in ids_in(source):
                proof = found.setdefault(key, Proof())
                proof.compared = True
                # scripts, held in process and, but for those about time, over the wire
                if path.suffix == ".txt" and path.stem != "timing":
                    proof.wire.add(f"comparison/{path.stem}")
        elif path.name.startswith("test_"):
            name = f"{folder}/{path.stem.removeprefix('test_')}"
            if folder in WIRE:
                for key in ids_in(source):
                    proof = found.setdefault(key, Proof())
                    proof.wire.add(name)
                    proof.compared |= name.endswith("_compared")
                continue
            for key, profiles in tests_in(source).items():
                found.setdefault(key, Proof()).in_process[name] = profiles
    return found


def _order(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split("."))) if version != "any" else (0,)


def _in_process(proof: Proof) -> tuple[str, str]:
    """Return the columns of tests and of profiles."""
    if not proof.in_process:
        return "–", "–"
    profiles = set().union(*proof.in_process.values())
    if len(profiles) > 1:
        profiles.discard("any")
    return ", ".join(proof.in_process), ", ".join(sorted(profiles, key=_order))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines) + "\n"


def _statement_row(key: str, text: str, proof: Proof, reason: str | None) -> list[str]:
    tests, profiles = _in_process(proof)
    if reason:
        text = f"{text} *{reason}*"
    wire = ", ".join(sorted(proof.wire)) or "later"
    return [key, text, tests, profiles, wire, JUDGE if proof.compared else "–"]


def _statements(fidelity: Fidelity, found: dict[str, Proof]) -> str:
    header = ["Id", "Statement", "In process", "Profiles", "Over the wire", "RabbitMQ"]
    parts = []
    for title, statements in fidelity.sections.items():
        rows = [
            _statement_row(key, text, found.get(key, Proof()), fidelity.reasons.get(key))
            for key, text in statements.items()
        ]
        parts.append(f"## {title}\n\n{_table(header, rows)}")
    return "\n".join(parts)


def _differences(differences: list[Difference]) -> str:
    found = {"run": "running it", "read": "reading it"}
    rows = [[d.statement, d.version, found[d.how], d.what] for d in differences]
    return (
        "## Where RabbitMQ was seen to differ from the contract\n\n"
        "Found by running that version, or by reading its source. Its profile follows RabbitMQ.\n\n"
        + _table(["Id", "Version", "Found by", "RabbitMQ"], rows)
    )


def _departures(departures: list[Departure]) -> str:
    rows = [[d.statement, d.rabbitmq, d.leveret, d.why] for d in departures]
    return "## Where leveret differs on purpose\n\n" + _table(
        ["Id", "RabbitMQ", "leveret", "Why"], rows
    )


def page(fidelity: Fidelity, found: dict[str, Proof]) -> str:
    """Return the whole page."""
    parts = [
        HEADING,
        _statements(fidelity, found),
        _differences(fidelity.differences),
        _departures(fidelity.departures),
    ]
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(read(), proofs()), encoding="utf-8")
