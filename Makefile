# Two commands: `make run` (the demo, from nothing to its report) and `make test`.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: run test lint test-mutations
run: $(INSTALLED)
	$(BIN)/snakemake --profile profiles/workstation
	$(BIN)/canids table

test: $(INSTALLED) lint
	$(BIN)/pytest

test-mutations: $(INSTALLED)  # 100,000 damaged log files, about a quarter of an hour
	CANIDS_MUTATIONS=108000 $(BIN)/pytest tests/unit/test_mutations.py

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'canids needs Python 3.11 or newer; name one with PYTHON=...')"
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[test]"
	touch $@
