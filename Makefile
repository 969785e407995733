# Each target works as the first command on a fresh clone: it makes its own virtual environment.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
AMQPLIB := amqplib@2.3.1
NPM_INSTALL := npm install --silent --no-audit --no-fund --fetch-retries=1 --fetch-timeout=60000

.PHONY: demo test test-clients test-upstream check format bench bench-wire soak crash crash-worker clean

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'

$(VENV)/.package: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.dev: pyproject.toml $(VENV)/.package
	$(BIN)/python -m pip install --quiet --group dev
	touch $@

$(VENV)/.bench: pyproject.toml $(VENV)/.package
	$(BIN)/python -m pip install --quiet --group bench
	touch $@

$(VENV)/.clients: pyproject.toml Makefile $(VENV)/.package
	$(BIN)/python -m pip install --quiet --group clients
	if $(NPM_INSTALL) --prefix $(VENV)/node $(AMQPLIB); then touch $@; else echo "$(AMQPLIB) did not install: its tests will be skipped"; fi

demo: $(VENV)/.package  ## publish the order system's messages and show where each went
	$(BIN)/leveret run examples/orders/topology.yaml --messages examples/orders/messages.jsonl
	$(BIN)/leveret explain examples/orders/topology.yaml orders order.packed.eu

test: $(VENV)/.dev  ## the whole test suite
	$(BIN)/python -m pytest

test-clients: $(VENV)/.dev $(VENV)/.clients  ## every client of docs/clients.md against leveret
	$(BIN)/python -m pytest tests/clients

test-upstream: $(VENV)/.dev  ## the tests that clients are published with, on RabbitMQ and on leveret
	PYTHONPATH=tests/clients/support:tests/comparison $(BIN)/python -m upstream $(CLIENTS)

check: $(VENV)/.dev $(VENV)/.bench  ## linters, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	if $(BIN)/python -m pip install --quiet pyright; then $(BIN)/pyright --pythonpath $(BIN)/python; else echo "pyright did not install: skipped"; fi

format: $(VENV)/.dev  ## rewrite the code in its canonical layout
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev $(VENV)/.bench  ## measure in-process speed beside its peers
	PYTHONPATH=tests/comparison $(BIN)/python -m benchmarks

soak: $(VENV)/.dev $(VENV)/.clients  ## two minutes of mixed load and killed clients: nothing lost, memory flat
	$(BIN)/python -m benchmarks.soak $(SOAK)

crash-worker: $(VENV)/.dev  ## a hundred kills of a process with workers, twice: effects happen once with idempotency
	$(BIN)/python -m benchmarks.crash_worker $(CRASH)

crash: $(VENV)/.dev  ## fifty kills of a server with a data directory under load: nothing confirmed is lost
	$(BIN)/python -m benchmarks.crash $(CRASH)

bench-wire: $(VENV)/.dev $(VENV)/.bench  ## measure speed on the wire beside a private RabbitMQ
	PYTHONPATH=tests/comparison $(BIN)/python -m benchmarks.wire $(BENCH_OPTIONS)

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
