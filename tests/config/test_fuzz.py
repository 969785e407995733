"""Hostile files: a few hundred each run; `fuzz.py` beside this tries more.

Each is loaded, checked, laid out, expanded, explained, drawn, compared, exported and imported; what
comes is a result or a refusal with a remedy, and it comes soon.
"""

from __future__ import annotations

from random import Random

import pytest
from hostile_files.make import Maker
from hostile_files.target import Target

from leveret.config.anyfile import loads_any


@pytest.mark.parametrize("seed", range(4))
def test_hostile_files_are_read_or_refused(seed: int) -> None:
    maker, target = Maker(Random(seed)), Target(Random(seed))
    for _ in range(60):
        target.run(maker.make())


def test_a_field_that_a_section_does_not_have_may_be_anything() -> None:
    text = '{"vhosts": [], "users": [{"name": "u", "password_hash": "", "vhost": {"a": 1}}]}'
    assert list(loads_any(text, "t.json").users) == ["u"]
