# Every target does all its own set-up, in .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: sweep test test-all faults bench docs lint format wheel clean

sweep: .venv/installed
	$(BIN)/noisesweep run sweeps/studies/sparse-regression.yaml --new

test: .venv/installed
	$(BIN)/pytest --dist worksteal -m "not slow" tests/integration/test_first_sweep.py tests/unit

test-all: .venv/installed
	$(BIN)/pytest

faults: .venv/installed
	$(BIN)/pytest -n 0 tests/faults

# Names of benchmarks in BENCH run those alone: make bench BENCH="startup throughput:fmnist".
bench: .venv/installed
	$(BIN)/python -W ignore -m benchmarks $(BENCH)

# The site of docs/; a broken link is an error. CI builds it in a test.
docs: .venv/installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --site-dir $(or $(SITE),site)

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml

format: .venv/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The version of the wheel names the commit, as in 0.2.0+gabc1234, which `noisesweep --version` shows.
wheel: .venv/installed
	rm -rf build dist
	$(BIN)/pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist \
		--config-settings=--global-option=egg_info \
		--config-settings=--global-option=--tag-build=+g$$(git rev-parse --short=7 HEAD) .
	rm -rf build noisesweep.egg-info

clean:
	rm -rf .venv

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@
