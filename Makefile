# `make run` (the demo, from nothing to its report), `make test`, and `make test-cluster` (the workflow on a real SLURM).
PYTHON ?= python3
BIN := .venv/bin
# Two processes test, file by file and in pytest's order (which puts first what must not come after other tests).
SIDE_BY_SIDE := --numprocesses 2 --dist loadfile --no-loadscope-reorder
INSTALLED := .venv/.installed

.PHONY: run test test-cluster test-mutations lint
run: $(INSTALLED)
	$(BIN)/snakemake --profile profiles/workstation
	$(BIN)/canids table

test: $(INSTALLED) lint
	$(BIN)/pytest $(SIDE_BY_SIDE)

test-mutations: $(INSTALLED)  # 100,000 damaged log files, about a quarter of an hour
	CANIDS_MUTATIONS=108000 $(BIN)/pytest tests/unit/test_mutations.py

test-cluster: $(INSTALLED)
	sh tests/cluster/packages.sh
	$(BIN)/pytest tests/cluster

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'canids needs Python 3.11 or newer; name one with PYTHON=...')"
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[test]"
	touch $@
