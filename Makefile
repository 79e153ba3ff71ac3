# `make demo` and `make test` need nothing but Python 3.11 or newer, make and a package index: all else
# is set up on first use, in .venv, from the hashed requirements files.

PYTHON ?= python3
# Many tests wait for real processes: two workers a core keep the cores at work.
WORKERS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) * 2)))
ARGS ?=
SEED ?=

VENV := .venv
RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip install -q --disable-pip-version-check

RUNTIME := $(VENV)/runtime.stamp
DEV := $(VENV)/dev.stamp
PACKAGE := $(VENV)/package.stamp

# An environment knows the folder that it was made for: in a copied or moved tree it is made anew.
ifneq ($(shell cat $(VENV)/made-for 2>/dev/null),$(CURDIR))
.PHONY: $(RUNTIME)
endif

.PHONY: help
help:
	@echo 'make demo    see the whole line run, in a scratch folder, in under a minute'
	@echo 'make test    run all tests            (make test ARGS="tests/core -k cron")'
	@echo 'make crash   the laboratories at length: 1,000 kills, thousands of made-up lives  (SEED=7)'
	@echo 'make check   format, lint, import layers, types'
	@echo 'make cover   run all tests and show which branches none of them takes'
	@echo 'make bench   measure, and print the table'
	@echo 'make fmt     put the code in its form'
	@echo 'make docs    write the reference anew, from the code, and build the documentation'
	@echo 'make lock    resolve requirements/*.txt anew  (make lock ARGS=--upgrade)'
	@echo 'make venv    only set up the development environment'
	@echo 'make clean   remove everything that these made'

.PHONY: demo
demo: $(PACKAGE)
	@$(RUN) -m dotagent demo

.PHONY: test
test: venv
	@scripts/system-packages
	$(RUN) -m pytest -n $(WORKERS) --maxprocesses 8 $(ARGS)

.PHONY: crash
crash: SEEDED := $(addprefix --randomly-seed=,$(SEED))
crash: venv
	$(RUN) -m pytest -n $(WORKERS) --maxprocesses 8 $(SEEDED) --times 10 tests/crash/test_random_kills.py
	$(RUN) -m pytest -n $(WORKERS) --maxprocesses 8 $(SEEDED) --times 40 tests/rules/test_the_laws_hold.py

.PHONY: check check-format check-lint check-layers check-types check-docs
check: check-format check-lint check-layers check-types check-docs

check-format: venv
	$(RUN) -m ruff format --check

check-lint: venv
	$(RUN) -m ruff check

check-layers: venv
	$(VENV)/bin/lint-imports --no-logo

check-types: venv
	$(RUN) -m mypy --strict

check-docs: venv
	$(RUN) -m scripts.docs --check

.PHONY: cover
cover: venv
	@scripts/system-packages
	$(RUN) -m coverage erase
	$(RUN) -m coverage run -m pytest -n $(WORKERS) --maxprocesses 8 $(ARGS)
	$(RUN) -m coverage combine -q
	$(RUN) -m coverage report

.PHONY: bench
bench: venv
	@$(RUN) -m bench $(ARGS)

.PHONY: fmt
fmt: venv
	$(RUN) -m ruff format
	$(RUN) -m ruff check --fix-only

.PHONY: docs
docs: venv
	$(RUN) -m scripts.docs
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict --quiet

.PHONY: lock
lock:
	$(PYTHON) scripts/lock.py $(ARGS)

.PHONY: venv
venv: $(DEV) $(PACKAGE)

.PHONY: clean
clean:
	rm -rf $(VENV) build dist .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache
	rm -rf .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUNTIME): requirements/build.txt requirements/runtime.txt scripts/venv
	@scripts/venv $(PYTHON) $(VENV) requirements/build.txt requirements/runtime.txt
	@printf '%s' '$(CURDIR)' > $(VENV)/made-for
	@touch $@

$(DEV): requirements/dev.txt $(RUNTIME)
	@echo 'Adding the development tools'
	@$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@

$(PACKAGE): pyproject.toml $(RUNTIME)
	@$(PIP) --no-deps --no-index --no-build-isolation --editable .
	@touch $@
