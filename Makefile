# `make` alone prints the verbs. CI calls the very same ones.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export NO_MKDOCS_2_WARNING := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test conformance fuzz golden check bench bench-compare format docs lock clean

help:  ## print the verbs
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 24

setup: $(READY)  ## make .venv with everything locked in requirements.lock

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "qstate needs Python 3.11 or later: make PYTHON=python3.12 …" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

demo: $(READY)  ## run the guide's job on the embedded default store
	$(BIN)/python examples/demo.py

test: $(READY)  ## run the tests, on servers that they start
	$(BIN)/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder $(or $(TESTS),tests \
	  -p qstate.testing.conformance.reporting --conformance-no-dead-law)

conformance: $(READY)  ## hold every store, and two plug-ins, to every promise; write the table
	$(BIN)/python -m pytest -n 2 --dist loadgroup tests/conformance tests/plugins --timeout=1800 \
	  -p qstate.testing.conformance.reporting --conformance-no-dead-law \
	  --conformance-more=$(or $(MORE),5) --conformance-page=docs/conformance.md

fuzz: $(READY)  ## give what reads values hostile bytes; RUNS=10000000 for a long run
	$(BIN)/python -m tests.fuzz .fuzz/corpus -runs=$(or $(RUNS),1000000)

golden: $(READY)  ## write the golden files of the examples that have none yet
	$(BIN)/python -m tests.golden

check: $(READY)  ## format, lint, types, layers, docs, links
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/mkdocs build --strict --quiet

bench: $(READY)  ## measure the hot paths beside the raw clients; BENCH="redis actor" for some
	$(BIN)/python -m benchmarks $(or $(BENCH),--record)

bench-compare: $(READY)  ## measure this tree and another revision in turns: BASE=main
	$(BIN)/python -m benchmarks.compare $(BASE) $(BENCH)

format: $(READY)  ## let ruff rewrite the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(READY)  ## serve the documentation on this machine
	$(BIN)/mkdocs serve

lock: $(READY)  ## choose the locked versions anew, from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --all-extras --group dev --universal --generate-hashes \
	  --no-emit-index-url --no-header --quiet --upgrade --output-file requirements.lock

clean:  ## remove what the other verbs made
	rm -rf $(VENV) site build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .fuzz
