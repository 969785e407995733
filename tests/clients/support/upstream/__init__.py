"""The tests that clients are published with, on RabbitMQ and on leveret: `make test-upstream`."""
