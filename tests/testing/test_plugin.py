"""The pytest plugin as a project of its own uses it: fixtures, marker, options, reports."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from leveret import config

if TYPE_CHECKING:
    from pathlib import Path

TOPOLOGY = """\
exchanges: {orders: topic}
queues: {billing: {}, shipping: {ttl: 30s}}
bindings:
  - orders[order.*.paid] -> billing
  - orders[order.*.packed] -> shipping
"""


RECORDED = """\
# Recorded from what clients declared while tests ran.
version: 1
compatibility: "4.2"

exchanges:
  orders: topic

queues:
  billing: {ttl: 1m}
  shipping: {}

bindings:
  - orders[order.*.paid] -> billing
"""

# pytester forgets what was first imported during a test, but not what is in C and goes on with the
# classes of then: what reads topology files is imported before.
config.loads(TOPOLOGY)

#: Plugins that are installed beside: they take time to load, and warn of settings of their own.
OTHERS = ("asyncio", "anyio", "hypothesispytest", "xdist")


class Project:
    """A project with a topology file and tests, which run in a process of their own."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self._pytester = pytester
        self.path = pytester.path
        self.makepyfile = pytester.makepyfile
        self.makeini = pytester.makeini
        self.run = pytester.run
        pytester.makefile(".yaml", topology=TOPOLOGY)

    def test(self, *options: str, plugin: str = "") -> pytest.RunResult:
        """Run pytest with leveret's plugin and one other; a warning fails its test."""
        without = [f"-pno:{name}" for name in OTHERS if name != plugin]
        return self._pytester.runpytest_subprocess(
            "--strict-markers", "-pno:cacheprovider", *without, "-Werror", *options
        )


@pytest.fixture
def project(pytester: pytest.Pytester) -> Project:
    """Make a project with a topology file."""
    return Project(pytester)


def test_the_fixture_amqp_needs_nothing_set_up(project: Project) -> None:
    project.makepyfile(
        """
        import pika

        def test_first(amqp):
            client = pika.BlockingConnection(pika.URLParameters(amqp.url))
            channel = client.channel()
            channel.queue_declare("q")
            channel.basic_publish("", "q", b"m")
            amqp.wait_idle()
            assert amqp.queue("q").bodies == [b"m"]
            client.close()

        def test_second(amqp):
            assert amqp.queues == []
            assert amqp.broker.profile.version == "4.2"
        """
    )
    project.test().assert_outcomes(passed=2)


def test_the_marker_says_how_the_broker_is_made(project: Project) -> None:
    project.makepyfile(
        """
        import pytest
        import leveret

        pytestmark = pytest.mark.leveret("topology.yaml")

        @pytest.mark.leveret(profile="4.3", clock="real")
        def test_marked(amqp, leveret_topology):
            assert amqp.queues == ["billing", "shipping"]
            assert amqp.broker.profile.version == "4.3"
            assert amqp.clock.mode == "real"
            assert list(leveret_topology.virtual_hosts["/"].queues) == ["billing", "shipping"]

        def test_in_process(broker):
            assert isinstance(broker, leveret.Broker)
            broker.basic_publish("orders", "order.1.packed", b"m")
            broker.clock.advance(seconds=30)
            assert broker.basic_get("shipping") == (None, None, None)

        @pytest.mark.leveret(None)
        def test_empty(broker):
            assert not broker.virtual_hosts["/"].queues
        """
    )
    project.test().assert_outcomes(passed=3)


def test_ini_options_say_how_every_broker_is_made(project: Project) -> None:
    project.makeini(
        """
        [pytest]
        leveret_topology = topology.yaml
        leveret_profile = 3.13
        leveret_clock = real
        leveret_server = session
        """
    )
    project.makepyfile(
        """
        import pytest

        ports = set()

        @pytest.mark.parametrize("n", range(3))
        def test_it(amqp, n):
            ports.add(amqp.port)
            assert len(ports) == 1
            assert amqp.queues == ["billing", "shipping"]
            assert amqp.published == []
            amqp.publish("orders", "order.1.paid")
            assert (amqp.broker.profile.version, amqp.clock.mode) == ("3.13", "real")

        @pytest.mark.leveret(server="test")
        def test_own_socket(amqp):
            assert amqp.port not in ports
        """
    )
    project.test().assert_outcomes(passed=4)


def test_a_wrong_marker_is_the_users_mistake(project: Project) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.mark.leveret(clock="sundial")
        def test_a(amqp): ...

        @pytest.mark.leveret(topologie="x")
        def test_b(amqp): ...

        @pytest.mark.leveret("a", "b")
        def test_c(amqp): ...

        @pytest.mark.leveret("missing.yaml")
        def test_d(amqp): ...
        """
    )
    result = project.test()
    result.assert_outcomes(errors=4)
    result.stdout.fnmatch_lines(
        [
            "*clock is 'manual' or 'real', not 'sundial'*",
            "*unexpected keyword argument 'topologie'*",
            "*the marker leveret takes one topology*",
            "*missing.yaml*",
        ]
    )


def test_a_strict_test_fails_with_the_list_of_what_it_leaves_open(
    project: Project,
) -> None:
    project.makeini("[pytest]\nleveret_strict = true\n")
    project.makepyfile(
        """
        import pytest

        def test_it(amqp):
            amqp.broker.queue_declare("q")
            amqp.publish("", "q")
            amqp.broker.basic_get("q")

        @pytest.mark.leveret(strict=False)
        def test_not_strict(amqp):
            amqp.broker.queue_declare("q")
            amqp.publish("", "q")
            amqp.broker.basic_get("q")

        def test_that_failed_before_it_could_tidy_up(amqp):
            amqp.broker.queue_declare("q")
            amqp.publish("", "q")
            amqp.broker.basic_get("q")
            assert False
        """
    )
    result = project.test()
    result.assert_outcomes(passed=2, failed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "the test leaves something open:",
            "- 1 of queue 'q' taken by basic.get, not acknowledged",
        ]
    )


def test_a_failure_shows_what_was_published(project: Project) -> None:
    project.makepyfile(
        """
        def test_it(amqp):
            amqp.broker.queue_declare("q")
            amqp.publish("", "q", "hello")
            assert False
        """
    )
    result = project.test()
    result.stdout.fnmatch_lines(
        ["*messages of leveret*", "(default) 'q' 'hello'", "*queued*q*"], consecutive=False
    )


def test_a_suite_runs_under_each_profile(project: Project) -> None:
    project.makepyfile(
        """
        import pytest

        seen = []

        def test_socket(amqp):
            seen.append(amqp.broker.profile.version)

        def test_in_process(broker):
            seen.append(broker.profile.version)

        @pytest.mark.leveret(profile="4.2")
        def test_marked(amqp):
            assert amqp.broker.profile.version == "4.2"

        def test_without_broker():
            assert seen == ["3.13", "4.3", "3.13", "4.3"]
        """
    )
    result = project.test("--leveret-profiles=3.13,4.3", "-v")
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["*test_socket[[]rabbitmq-3.13[]] PASSED*"])
    result = project.test("--leveret-profiles=3.12")
    result.stderr.fnmatch_lines(["*'3.12' is none of 3.10, 3.13, 4.2, 4.3*"])


def test_what_clients_declare_is_recorded_as_a_topology_file(project: Project) -> None:
    project.makepyfile(
        """
        import pika

        def test_one(amqp):
            client = pika.BlockingConnection(pika.URLParameters(amqp.url))
            channel = client.channel()
            channel.exchange_declare("orders", "topic", durable=True)
            channel.queue_declare("billing", durable=True, arguments={"x-message-ttl": 60000})
            channel.queue_bind("billing", "orders", "order.*.paid")
            answers = channel.queue_declare("", exclusive=True).method.queue
            channel.queue_bind(answers, "orders", "x")
            client.close()

        def test_two(broker):
            broker.queue_declare("shipping")
        """
    )
    file = project.path / "recorded.yaml"
    result = project.test(f"--leveret-record={file}")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["leveret: 1 exchanges, 2 queues, 1 bindings recorded in *.yaml"])
    assert file.read_text() == RECORDED
    host = config.load(file).virtual_hosts["/"]
    assert list(host.queues) == ["billing", "shipping"]
    assert host.queues["billing"].arguments == {"x-message-ttl": 60_000}
    assert [(b.source, b.routing_key, b.destination) for b in host.bindings] == [
        ("orders", "order.*.paid", "billing")
    ]


def test_unittest_cases_have_a_broker_each(project: Project) -> None:
    project.makepyfile(
        test_cases="""
        import unittest
        import pika
        from leveret.testing import LeveretTestCase

        class TestShop(LeveretTestCase, unittest.TestCase):
            leveret = {"topology": "topology.yaml"}

            def setUp(self):
                super().setUp()
                self.client = pika.BlockingConnection(pika.URLParameters(self.amqp.url))
                self.addCleanup(self.client.close)

            def test_one(self):
                self.client.channel().basic_publish("orders", "order.1.paid", b"m")
                self.amqp.wait_idle()
                self.amqp.assert_published("orders", to=["billing"])

            def test_two(self):
                assert self.amqp.published == []

        class TestLoop(LeveretTestCase, unittest.IsolatedAsyncioTestCase):
            async def test_loop(self):
                await self.amqp.until_idle()

        if __name__ == "__main__":
            unittest.main()
        """
    )
    project.test().assert_outcomes(passed=3)
    done = project.run(sys.executable, "test_cases.py")
    done.stderr.fnmatch_lines(["Ran 3 tests*", "OK"])


def test_where_nothing_is_declared_no_file_is_written(project: Project) -> None:
    project.makepyfile("def test_it(): ...")
    result = project.test("--leveret-record=recorded.yaml")
    result.stdout.fnmatch_lines(["leveret: nothing was declared, recorded.yaml is not written"])
    assert not (project.path / "recorded.yaml").exists()


@pytest.mark.skipif(
    importlib.util.find_spec("xdist") is None, reason="pip install pytest-xdist to run this"
)
def test_workers_of_xdist_have_brokers_of_their_own(project: Project) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("n", range(4))
        @pytest.mark.leveret("topology.yaml", server="session")
        def test_it(amqp, n):
            amqp.publish("orders", "order.1.paid")
            assert len(amqp.queue("billing")) == 1
            amqp.broker.queue_declare(f"queue-{n}")
        """
    )
    file = project.path / "recorded.yaml"
    result = project.test("-n2", f"--leveret-record={file}", plugin="xdist")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["leveret: 1 exchanges, 6 queues, 2 bindings recorded in *.yaml"])
    queues = config.load(file).virtual_hosts["/"].queues
    assert set(queues) == {"billing", "shipping", *(f"queue-{n}" for n in range(4))}


@pytest.mark.skipif(
    importlib.util.find_spec("aio_pika") is None, reason="pip install aio-pika to run this"
)
@pytest.mark.parametrize("plugin", ["anyio", "pytest_asyncio"])
def test_asynchronous_tests_have_it_too(project: Project, plugin: str) -> None:
    if importlib.util.find_spec(plugin) is None:
        pytest.skip(f"pip install {plugin.replace('_', '-')} to run this")
    mark = "anyio" if plugin == "anyio" else "asyncio"
    if mark == "asyncio":  # which warns where this is left open
        project.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    project.makepyfile(
        f"""
        import aio_pika
        import pytest

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        @pytest.mark.{mark}
        @pytest.mark.leveret("topology.yaml", strict=True)
        async def test_it(amqp):
            connection = await aio_pika.connect(amqp.url)
            async with connection:
                channel = await connection.channel()
                queue = await channel.get_queue("billing")
                seen = []

                async def handle(message):
                    async with message.process():
                        seen.append(message.body)

                await queue.consume(handle)
                amqp.publish("orders", "order.1.paid", "m")
                await amqp.until_idle()
                assert seen == [b"m"]
        """
    )
    project.test(plugin=plugin.removeprefix("pytest_")).assert_outcomes(passed=1)


def test_the_plugin_costs_a_run_without_brokers_nothing_worth_mentioning(tmp_path: Path) -> None:
    code = (
        "import sys, pytest; before = set(sys.modules); import leveret.testing.plugin;"
        "print(sorted(m for m in set(sys.modules) - before if m.startswith('leveret')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.strip() == "['leveret', 'leveret.testing', 'leveret.testing.plugin']"
