# Requires only Python 3.11 or newer, and make.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
WORKERS ?= 2
# Without files of bytecode, each process that the tests start compiles all of Lamina's modules.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo scale test lint types floors tests fuzz screenshots bench bench-check clean

demo: .venv/demo  ## train a date translator, show it, save it in demo/
	$(BIN)/lamina demo --out demo

scale: .venv/scale  ## train on two processes, kill them, and resume on one device
	$(BIN)/python examples/scale.py

test: lint floors  ## everything that CI runs; the types are checked while the tests run
	$(MAKE) -j 2 types tests

lint: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/test
	$(BIN)/pyright

floors: .venv/test
	$(BIN)/lint-imports

tests: .venv/test
	$(BIN)/pytest -n $(WORKERS) --dist loadfile -m "not as_users_run"
	$(BIN)/pytest -n $(WORKERS) --dist loadfile -m as_users_run

.PHONY: names
names: .venv/test  ## write the page of the names of Keras
	$(BIN)/python -m tests.compat.keras_names

FUZZ ?= 600
fuzz: .venv/test  ## load thousands of modified files, FUZZ per loader
	$(BIN)/python -m tests.fuzz $(FUZZ)

screenshots: .venv/test  ## make the pictures of pages in docs/images; needs Chromium
	$(BIN)/python -m docs.screenshots

bench: .venv-bench/done  ## run all benchmarks, save the records, update the docs
	.venv-bench/bin/python -m benchmarks all --record

CASES ?= all
bench-check: .venv-bench/done  ## measure again, and fail if a ratio got worse
	.venv-bench/bin/python -m benchmarks $(CASES) --check

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Lamina needs Python 3.11 or newer." >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip

.venv/demo: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[serve,translate]'
	@touch $@

.venv/scale: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[translate,distributed]'
	@touch $@

.venv/test: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	@touch $@

.venv-bench/done: pyproject.toml
	@test -n "$(PYTHON)" || { echo "Lamina needs Python 3.11 or newer." >&2; exit 1; }
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --upgrade pip
	.venv-bench/bin/python -m pip install --quiet --editable '.[bench]'
	@touch $@

clean:
	rm -rf .venv .venv-bench .pytest_cache .ruff_cache .hypothesis .import_linter_cache demo
