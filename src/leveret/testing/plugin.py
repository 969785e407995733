"""The pytest plugin: fixtures, a marker, ini options and command line options.

pytest imports this module for every run, so it imports no more than it must: the broker comes with
the first test that asks for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from leveret.broker import Broker
    from leveret.config import Topology
    from leveret.testing.amqp import Amqp
    from leveret.testing.core import Listening
    from leveret.testing.recorder import Recorder
    from leveret.testing.settings import Settings

__all__: list[str] = []

_MARKER = (
    'leveret(topology=None, *, profile=None, clock="manual", strict=False, server="test", seed=0):'
    " how the broker of a test is made"
)
_RECORDER: pytest.StashKey[Recorder] = pytest.StashKey()
#: Whether a test failed, once it was called.
_FAILED: pytest.StashKey[bool] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("leveret", "a RabbitMQ-compatible broker for tests")
    group.addoption(
        "--leveret-profiles",
        metavar="VERSIONS",
        help="run each test that has a broker under these versions of RabbitMQ, such as 3.13,4.3",
    )
    group.addoption(
        "--leveret-record",
        metavar="FILE",
        help="write what clients declare while the tests run as a topology file",
    )
    parser.addini("leveret_topology", "topology file of every broker, relative to the root")
    parser.addini("leveret_profile", "version of RabbitMQ to behave like")
    parser.addini("leveret_clock", "manual (stands still until moved) or real", default="manual")
    parser.addini("leveret_server", "a socket for each test, or for the session", default="test")
    parser.addini("leveret_strict", "fail tests that leave something open", "bool", default=False)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, look at the options; begin to record where that is asked for."""
    config.addinivalue_line("markers", _MARKER)
    _profiles(config)
    if config.getoption("leveret_record"):
        from leveret.testing.recorder import Recorder

        config.stash[_RECORDER] = Recorder()


# -- profiles


def _profiles(config: pytest.Config) -> list[str]:
    """Return the versions asked for on the command line.

    Raises:
        pytest.UsageError: one of them is not known.

    """
    option = config.getoption("leveret_profiles")
    if not option:
        return []
    from leveret.engine.profile import PROFILES

    profiles = [name.strip() for name in option.split(",")]
    for name in profiles:
        if name not in PROFILES:
            known = ", ".join(PROFILES)
            raise pytest.UsageError(f"--leveret-profiles: {name!r} is none of {known}")
    return profiles


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests with a broker once for each profile, but where a marker names one."""
    if "leveret_profile" not in metafunc.fixturenames:
        return
    profiles = _profiles(metafunc.config)
    marker = metafunc.definition.get_closest_marker("leveret")
    if profiles and not (marker is not None and "profile" in marker.kwargs):
        metafunc.parametrize("leveret_profile", profiles, ids=[f"rabbitmq-{p}" for p in profiles])


@pytest.fixture
def leveret_profile(request: pytest.FixtureRequest) -> str | None:
    """Give the version of RabbitMQ that the test's broker behaves like; None for the topology's."""
    profiles = _profiles(request.config)
    return profiles[0] if profiles else request.config.getini("leveret_profile") or None


# -- settings


@pytest.fixture
def leveret_settings(request: pytest.FixtureRequest, leveret_profile: str | None) -> Settings:
    """Say how the test's broker is made: from ini options, and then the marker."""
    from leveret.testing.settings import Settings

    config = request.config
    values: dict[str, Any] = {
        "topology": config.getini("leveret_topology") or None,
        "profile": leveret_profile,
        "clock": config.getini("leveret_clock"),
        "server": config.getini("leveret_server"),
        "strict": config.getini("leveret_strict"),
    }
    base = config.inipath.parent if config.inipath else config.rootpath
    if values["topology"]:
        values["topology"] = base / values["topology"]
    # the marker nearest to the test is the last word, field by field
    for marker in reversed(list(request.node.iter_markers("leveret"))):
        values |= _marked(marker, request)
    try:
        return Settings(**values)
    except (TypeError, ValueError) as error:
        raise pytest.UsageError(f"{request.node.nodeid}: leveret: {error}") from None


def _marked(marker: pytest.Mark, request: pytest.FixtureRequest) -> dict[str, Any]:
    values = dict(marker.kwargs)
    if len(marker.args) > 1:
        raise pytest.UsageError("the marker leveret takes one topology, and the rest by name")
    if marker.args:
        values["topology"] = marker.args[0]
    topology = values.get("topology")
    if isinstance(topology, str):
        beside = request.path.parent / topology
        values["topology"] = beside if beside.exists() else request.config.rootpath / topology
    return values


@pytest.fixture
def leveret_topology(leveret_settings: Settings) -> Topology | None:
    """Give the topology that the test's broker begins with, as `leveret.config.load` gives it."""
    return leveret_settings.loaded()


# -- brokers


@pytest.fixture(scope="session")
def _leveret_listening() -> Iterator[Listening]:
    """Give the socket that the tests of a session share, if they do."""
    from leveret.testing.core import Listening

    listening = Listening()
    yield listening
    listening.down()


@pytest.fixture
def amqp(request: pytest.FixtureRequest, leveret_settings: Settings) -> Iterator[Amqp]:
    """Give a fresh broker behind a real socket: `.url`, `.port`, `.broker`, and see `Amqp`."""
    from leveret.testing.amqp import Amqp, LeftOpenError

    listening = None
    if leveret_settings.server == "session":
        listening = request.getfixturevalue("_leveret_listening")
    given = Amqp(leveret_settings, listening)
    recorder = request.config.stash.get(_RECORDER, None)
    if recorder is not None:
        given.record(recorder.record)
    yield given
    try:
        given.finish(passed=not request.node.stash.get(_FAILED, False))
    except LeftOpenError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def broker(request: pytest.FixtureRequest, leveret_settings: Settings) -> Broker:
    """Give a fresh broker in process, with no socket: a `leveret.Broker`."""
    from leveret.broker import Broker
    from leveret.clock import ManualClock

    settings = leveret_settings
    clock = ManualClock() if settings.clock == "manual" else None
    topology = settings.loaded()
    if topology is None:
        made = Broker(settings.profile or "4.2", clock, settings.seed)
    else:
        made = Broker.from_topology(
            topology, profile=settings.profile, clock=clock, seed=settings.seed
        )
    recorder = request.config.stash.get(_RECORDER, None)
    if recorder is not None:
        recorder.record(made)
    return made


# -- reports


@pytest.hookimpl(hookwrapper=True)  # the old kind: this module is loaded by any pytest there is
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """Show beside a failure what was published, and what became of it."""
    outcome = yield
    report: pytest.TestReport = outcome.get_result()
    if report.when == "call" and report.failed:
        item.stash[_FAILED] = True
        given = getattr(item, "funcargs", {}).get("amqp")
        describe = getattr(given, "describe", None)
        text = describe() if describe is not None else ""
        if text:
            report.sections.append(("messages of leveret", text))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write what was recorded, or hand it to the process that runs the workers."""
    recorder = session.config.stash.get(_RECORDER, None)
    file = session.config.getoption("leveret_record")
    if recorder is None or file is None:
        return
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["leveret_recorded"] = repr(recorder.found())
    elif recorder.found():
        recorder.write(Path(file))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Take in what a worker of pytest-xdist recorded."""
    import ast

    recorder = node.config.stash.get(_RECORDER, None)
    if recorder is None:
        return
    found = getattr(node, "workeroutput", {}).get("leveret_recorded")
    if found is None:
        recorder.missing.append(f"{node.gateway.id} ({error or 'said nothing'})")
    else:
        recorder.add(ast.literal_eval(found))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say what became of the recording."""
    recorder = config.stash.get(_RECORDER, None)
    if recorder is None:
        return
    for worker in recorder.missing:
        terminalreporter.write_line(f"leveret: not recorded: what worker {worker} saw")
    file = config.getoption("leveret_record")
    if recorder.found():
        terminalreporter.write_line(f"leveret: {recorder} recorded in {file}")
    else:
        terminalreporter.write_line(f"leveret: nothing was declared, {file} is not written")
