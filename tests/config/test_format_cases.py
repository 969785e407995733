"""What the canonical layout makes of each thing that a person may write."""

from __future__ import annotations

import pytest

from leveret.config import format_topology

# what it is about -> (as written, as laid out)
CASES = {
    "comments of every kind": (
        """\
# about the file

# about queues
queues:   # beside queues
    # about billing
    billing: {ttl: 1h,   # beside ttl
       # about the limit
       max_length: 5   # beside the limit
       # after the limit
    }   # beside billing
      # below billing
    # at the end of queues
exchanges:
  # nothing yet
bindings: [
  # about the binding
  orders -> billing   # beside the binding
]
# at the end of the file
""",
        """\
# about the file

exchanges:
  # nothing yet

# about queues
queues:  # beside queues
  # about billing
  billing:  # beside billing
    ttl: 1h  # beside ttl
    # about the limit
    max_length: 5  # beside the limit
    # after the limit
    # below billing
  # at the end of queues

bindings:
  # about the binding
  - orders -> billing  # beside the binding
# at the end of the file
""",
    ),
    "lists with comments": (
        """\
bindings:
- a -> b # one
# two
- # three
  source: a
  # four
  destination: b # five
# six
queues: [b]
""",
        """\
# six
queues: [b]
bindings:
  - a -> b  # one
  # two
  # three
  - source: a
    # four
    destination: b  # five
""",
    ),
    "the line for editors stays first": (
        "# yaml-language-server: $schema=x\n# the queues\nqueues: [a]\nversion: 1\n",
        "# yaml-language-server: $schema=x\nversion: 1\n# the queues\nqueues: [a]\n",
    ),
    "what a blank line parts from the first section is about the file": (
        "# a\n# b\n\n# c\nqueues: [a]\nversion: 1\n",
        "# a\n# b\n\nversion: 1\n# c\nqueues: [a]\n",
    ),
    "markers and directives": (
        "# head\n%YAML 1.2\n--- # beside\n\n\nqueues: [a]\n...\n# foot\n",
        "# head\n%YAML 1.2\n---\n# beside\n\nqueues: [a]\n# foot\n",
    ),
    "an alias keeps the order of sections": (
        "queues: {a: &a {ttl: 1h}, b: *a}\nexchanges: {x: topic}\n",
        "queues: {a: &a {ttl: 1h}, b: *a}\nexchanges: {x: topic}\n",
    ),
    "what is anchored is spelled as it is": (
        "queues: {a: {arguments: &t {maxLength: 1}}, b: &b {maxLength: 1}, c: {maxLength: 1}}\n",
        "queues: {a: {arguments: &t {maxLength: 1}}, b: &b {maxLength: 1}, c: {max_length: 1}}\n",
    ),
    "quotes where they are needed": (
        """\
queues:
  'a': {ttl: "5m", arguments: {a: 'x', b: "on", c: on, d: "1", e: '1:30', f: 2026-11-24}}
  "a b": {arguments: {a: 'it''s', b: "say \\"hi\\"", c: '${A}', d: "\\x24{A}", e: '\\d', f: "é\\n"}}
  y: {maxBytes: '10 MiB', arguments: {yes: no, 'null': ~, "#": '#', k: !!str 1, l: ! x}}
""",
        """\
queues:
  a: {ttl: 5m, arguments: {a: x, b: "on", c: "on", d: "1", e: "1:30", f: "2026-11-24"}}
  a b: {arguments: {a: "it's", b: 'say "hi"', c: '${A}', d: "\\x24{A}", e: '\\d', f: "é\\n"}}
  "y": {max_bytes: 10 MiB, arguments: {"yes": "no", "null": ~, "#": "#", k: !!str 1, l: ! x}}
""",
    ),
    "bindings": (
        """\
bindings:
- '  a[x,y ,"z z"]->b'
- "a[#]->exchange c"
- "a[x, #] -> b"
- a[""]-> queue b
- "a[${KEY},x]->b"
- source: a
  destinationType: exchange
  destination: c
""",
        """\
bindings:
  - a[x, y, "z z"] -> b
  - a[#] -> exchange c
  - "a[x, #] -> b"
  - a -> queue b
  - "a[${KEY},x]->b"
  - source: a
    destination_type: exchange
    destination: c
""",
    ),
    "blank lines": (
        """\


version: 1


compatibility: "4.2"
queues:

  a: {}
  b: {}



  c: {}

bindings:
  - x -> a
expect: []

lint: {}

""",
        """\
version: 1

compatibility: "4.2"
queues:
  a: {}
  b: {}

  c: {}

bindings:
  - x -> a
expect: []

lint: {}
""",
    ),
    "brackets that are too long for a line": (
        f"queues: {{{', '.join(f'queue-{number}: {{ttl: 1h}}' for number in range(5))}}}\n",
        "queues:\n" + "".join(f"  queue-{number}: {{ttl: 1h}}\n" for number in range(5)),
    ),
    "brackets on several lines that fit on one": (
        'queues:\n  {\n    "a": {},\n\n    "b": {"ttl": 5},\n  }\n',
        "queues: {a: {}, b: {ttl: 5}}\n",
    ),
    "a file in JSON": (
        '{"queues": {"a": {"maxLength": 5}},\n "bindings": ["x -> a"]}',
        "queues: {a: {max_length: 5}}\nbindings: [x -> a]\n",
    ),
    "texts over several lines": (
        """\
queues:
  a:
    arguments:
        folded: >-
              some
              words
        kept: |+
          end

        literal: |2
            indented
          text # no comment
        plain: several
          words
        quoted: "several
          words"
""",
        """\
queues:
  a:
    arguments:
      folded: >-
        some
        words
      kept: "end\\n\\n"
      literal: |2
          indented
        text # no comment
      plain: several words
      quoted: several words
""",
    ),
    "virtual hosts": (
        """\
virtual-hosts:
    a:
        bindings:
        - x -> q
        queues: [q]
    b: {queues: [q], defaults: {queue: {autoDelete: true}}}
""",
        """\
virtual_hosts:
  a:
    queues: [q]
    bindings:
      - x -> q
  b: {defaults: {queue: {auto_delete: true}}, queues: [q]}
""",
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_it_is_laid_out_in_one_way(case: tuple[str, str]) -> None:
    written, expected = case
    assert format_topology(written) == expected
    assert format_topology(expected) == expected
