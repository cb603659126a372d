# Two commands for a fresh machine: `make run` and `make test`. Each makes its own virtual environment.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
LOCK := $(BIN)/uv pip compile -q pyproject.toml --generate-hashes --universal --no-emit-index-url --python-version 3.11

.PHONY: run test lint check bench chaos fuzz format lock clean

run: $(VENV)/ready ## Start everything on the embedded defaults, feed it recordings, show the alerts
	@$(BIN)/soc demo deploy/recordings

test: lint check ## Lint, then run every test with a real Kafka and a real Elasticsearch

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

check: $(VENV)/ready
	$(BIN)/pytest -n $(WORKERS) --dist loadgroup tests

bench: $(VENV)/ready ## Print the figures and write them to bench.json
	$(BIN)/python -m tests.bench

chaos: $(VENV)/ready ## Kill processes many more times than `make test` does
	CHAOS=long $(BIN)/pytest -m chaos --timeout 3600 tests/chaos

fuzz: $(VENV)/ready ## Run the property tests with many more examples
	HYPOTHESIS_PROFILE=fuzz $(BIN)/pytest -n $(WORKERS) --dist loadgroup --timeout 3600 -m hypothesis tests

format: $(VENV)/ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(VENV)/ready ## Lock the dependencies of pyproject.toml, with hashes and without any index address
	$(LOCK) --group dev -o requirements.lock
	$(LOCK) -o deploy/requirements.lock

$(VENV)/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "Python's venv module is missing; on Debian: apt-get install python3-venv"; exit 1; }
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

clean:
	rm -rf $(VENV) data bench.json .mypy_cache .ruff_cache .pytest_cache .hypothesis
