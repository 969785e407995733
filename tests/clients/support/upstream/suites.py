"""Which clients come with tests of their own, where from, and how they find a broker.

Versions are pinned: results are compared with those in docs/clients.md. What needs more than an
AMQP broker (Redis, RabbitMQ's HTTP API) is left out, and stands here with the reason.
"""

from __future__ import annotations

from attrs import field, frozen

__all__ = ["SUITES", "Suite"]

#: Needs a service that a broker is not.
HTTP_API = "RabbitMQ's HTTP API"


@frozen
class Suite:
    """The tests of one client.

    `{host}`, `{port}`, `{tls_port}` and `{url}` in the environment are the broker's.
    """

    name: str
    package: str
    tests: tuple[str, ...]
    #: What the tests import beside the client.
    needs: tuple[str, ...] = ()
    #: Modules of `plugins/` that pytest loads, for tests that expect their broker elsewhere.
    plugins: tuple[str, ...] = ()
    environment: dict[str, str] = field(factory=dict)
    options: tuple[str, ...] = ()
    #: An argument of pytest that leaves something out -> what is left out, and why.
    left_out: dict[str, str] = field(factory=dict)
    runner: str = "pytest"


SUITES = (
    Suite(
        "aio-pika",
        "aio-pika==10.2.1",
        ("tests",),
        needs=("aiomisc", "aiomisc-pytest", "shortuuid"),
        plugins=("no_docker",),
    ),
    Suite(
        "aiormq",
        "aiormq==7.2.4",
        ("tests",),
        needs=("aiomisc", "aiomisc-pytest>=2,<3"),
        plugins=("no_docker",),
    ),
    Suite(
        "amqp",
        "amqp==5.4.2",
        ("t/integration",),
        needs=("pytest-rerunfailures",),
        environment={"RABBITMQ_HOST": "{host}", "RABBITMQ_5672_TCP": "{port}"},
        left_out={"-k=not tls": "TLS: its certificates are not published with it"},
    ),
    Suite(
        "kombu",
        "kombu==5.7.0",
        ("t/integration/test_py_amqp.py",),
        needs=("pytest-rerunfailures",),
        environment={"RABBITMQ_HOST": "{host}", "RABBITMQ_5672_TCP": "{port}"},
    ),
    Suite(
        "Celery",
        "celery[pydantic,sqlalchemy]==5.7.0",
        ("t/integration",),
        needs=("cryptography", "pytest-celery", "pytest-order", "pytest-timeout", "redis"),
        environment={"TEST_BROKER": "{url}", "TEST_BACKEND": "rpc://"},
        left_out={
            "--ignore=t/integration/test_backend.py": "Azure's storage",
            "--ignore=t/integration/test_canvas.py": "Redis, which most of it counts in",
            "--ignore=t/integration/test_redis_backend.py": "Redis",
        },
    ),
    Suite(
        "AMQPStorm",
        "amqpstorm==3.1.4",
        ("amqpstorm/tests/functional",),
        needs=("requests",),
        plugins=("amqpstorm_cleaning",),
        environment={
            "AMQP_HOST": "{host}",
            "AMQP_USERNAME": "guest",
            "AMQP_PASSWORD": "guest",
            "AMQP_URI": "{url}",
        },
        left_out={
            "--ignore=amqpstorm/tests/functional/management": HTTP_API,
            "--ignore=amqpstorm/tests/functional/test_web_based.py": HTTP_API,
            "--ignore=amqpstorm/tests/functional/ssl": "its certificates",
        },
    ),
    Suite(
        "Dramatiq",
        "dramatiq[rabbitmq]==2.2.1",
        ("tests/test_rabbitmq.py",),
        plugins=("default_port", "dramatiq_fixtures"),
        options=("--import-mode=importlib",),
    ),
    Suite(
        "rabbitpy",
        "rabbitpy==3.0.2",
        ("tests/test_integration.py", "tests/integration"),
        needs=("python-dotenv",),
        environment={"RABBITMQ_URL": "{url}"},
    ),
    Suite(
        "amqplib for Node",
        "amqplib@0.10.9",
        ("test",),
        needs=("mocha@9.2.2", "claire@0.4.1"),
        environment={"URL": "{url}"},
        runner="mocha",
    ),
)
