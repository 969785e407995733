"""The services among the examples, each with its own tests, run as their authors would."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"

#: Folder -> what its service, or its test, is made with.
MADE_WITH = {
    "services/customer_order": [],
    "services/event_log": [],
    "services/order_pipeline": [],
    "services/outbox_shop": ["sqlalchemy"],
    "services/price_service": ["pika"],
    "testing/celery_reports": ["celery"],
    "testing/fastapi_shop": ["aio_pika", "fastapi", "httpx2"],
    "testing/faststream_alerts": ["anyio", "faststream", "aio_pika"],
    "testing/kombu_thumbnails": ["kombu"],
    "testing/pika_invoices": ["pika"],
}


def _is_there(name: str) -> bool:
    # A library that is imported may have put another object in its place (kombu does).
    return name in sys.modules or importlib.util.find_spec(name) is not None


def test_each_example_is_run() -> None:
    found = {path.parent for path in EXAMPLES.glob("*/*/test_*.py")}
    assert {folder.relative_to(EXAMPLES).as_posix() for folder in found} == set(MADE_WITH)


@pytest.mark.parametrize("folder", MADE_WITH)
def test_the_tests_of_an_example_pass(folder: str) -> None:
    if missing := [name for name in MADE_WITH[folder] if not _is_there(name)]:
        pytest.skip(f"pip install {' '.join(missing)} to run this")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", Path(folder).name],
        cwd=(EXAMPLES / folder).parent,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "120"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert re.search(r"=+ \d+ passed in ", done.stdout), done.stdout + done.stderr
