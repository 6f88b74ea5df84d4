# `make` lists what there is. Everything runs from .venv, which `make install` builds from the
# hashed lock file; `make up` needs nothing else on the machine but Python.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

VENV := .venv
BIN := $(VENV)/bin
PYTHON := $(BIN)/python
STAMP := $(VENV)/.installed
BENCH_STAMP := .venv-bench/.installed
LOCAL := $(PYTHON) -m legato_payments.local
# Work is stolen: whole minutes of slow tests would else wait behind one process.
PYTEST := $(PYTHON) -m pytest tests -n 2 --dist worksteal
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.12 \
	--custom-compile-command "make lock"

# The shims of pyenv exist for versions that are not installed, so every candidate is tried.
FIND_PYTHON = for python in python3.13 python3.12 python3 \
		"$$HOME"/.pyenv/versions/3.13*/bin/python "$$HOME"/.pyenv/versions/3.12*/bin/python; do \
		if "$$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 12))' \
			>/dev/null 2>&1; then echo "$$python"; exit; fi; \
	done; \
	echo "No usable Python 3.12 or newer: tried python3.13, python3.12, python3 and pyenv's." >&2; \
	echo "Install one with its venv module (Debian: apt install python3 python3-venv)." >&2; \
	exit 1

.PHONY: help install up smoke specs test test-fast test-all sabotage lint format types imports check \
	check-migrations check-django check-openapi check-lock check-conventions \
	migrate migrations seed demo openapi lock bench docker-build clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(STAMP): requirements-dev.txt
	@if ! $(PYTHON) -c '' 2>/dev/null; then \
		python=$$($(FIND_PYTHON)); rm -rf $(VENV); "$$python" -m venv $(VENV); \
	fi
	@# uv comes by pip with the hashes of the lock file, and then installs the rest.
	@awk '/^uv==/ { found = 1 } found { print } found && !/\\$$/ { exit }' requirements-dev.txt \
		> $(VENV)/uv.txt
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.txt
	@$(BIN)/uv pip sync --quiet --require-hashes --python $(PYTHON) requirements-dev.txt
	@touch $@

install: $(STAMP) ## .venv with everything the lock file names

up: $(STAMP) ## PostgreSQL, Valkey, web, worker, beat on this machine, until Ctrl-C (PORT=8005)
	@exec $(LOCAL)

smoke: $(STAMP) ## buy coins, open a chapter and tip, against the running `make up`
	@$(PYTHON) -m legato_payments.local.smoke

specs: $(STAMP) ## the gateways' official descriptions, which the tests hold our requests against
	@$(PYTHON) -m tests.specs.fetch

test: specs ## all tests, on throwaway servers
	@$(PYTEST)

test-fast: specs ## the tests that take no more than a few seconds each
	@$(PYTEST) -m "not slow"

test-all: check test sabotage ## all checks, all tests, and that the tests notice sabotage

sabotage: $(STAMP) ## break the product on purpose, patch by patch: a test must notice
	@$(PYTHON) -m tests.sabotage.run $(ARGS)

lint: $(STAMP) ## ruff, and that the code is formatted
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: $(STAMP) ## format the code and repair what ruff can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

types: $(STAMP) ## mypy, strict
	@$(BIN)/mypy .

imports: $(STAMP) ## who may import whom
	@$(BIN)/lint-imports

check: lint types imports check-django check-migrations check-openapi check-lock check-conventions ## all of it but the tests

check-django: $(STAMP)
	@$(PYTHON) manage.py check

check-migrations: $(STAMP)
	@# Whether the history in a database is consistent is not asked here, so none is started.
	@$(PYTHON) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run

check-openapi: $(STAMP)
	@fresh=$$(mktemp); trap 'rm -f "$$fresh"' EXIT; \
	$(PYTHON) manage.py spectacular --validate --fail-on-warn --file "$$fresh"; \
	diff -u docs/openapi.yaml "$$fresh" || { echo "docs/openapi.yaml is old: make openapi" >&2; exit 1; }

check-lock: $(STAMP)
	@folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	for name in requirements requirements-dev requirements-bench; do \
		cp $$name.txt "$$folder"; \
		$(COMPILE) --output-file "$$folder/$$name.txt" $$name.in; \
		diff -u $$name.txt "$$folder/$$name.txt" || { echo "$$name.txt is old: make lock" >&2; exit 1; }; \
	done

check-conventions: $(STAMP)
	@$(PYTHON) -m pytest tests/conventions

migrate: $(STAMP) ## apply the migrations to the local database
	@$(LOCAL) run -- $(PYTHON) manage.py migrate

migrations: $(STAMP) ## write migrations for changed models (ARGS="payments --name purchase_notes")
	@$(LOCAL) run -- $(PYTHON) manage.py makemigrations $(ARGS)

seed: migrate ## packages, rates and demo data in the local database
	@$(LOCAL) run -- $(PYTHON) manage.py seed

demo: migrate ## three months of demo data in the empty local database
	@$(LOCAL) run -- $(PYTHON) manage.py demo

openapi: $(STAMP) ## write docs/openapi.yaml
	@$(PYTHON) manage.py spectacular --validate --fail-on-warn --file docs/openapi.yaml

lock: $(STAMP) ## resolve requirements*.in into the lock files (ARGS=--upgrade)
	@for name in requirements requirements-dev requirements-bench; do $(COMPILE) $(ARGS) --output-file $$name.txt $$name.in; done

$(BENCH_STAMP): requirements-bench.txt $(STAMP)
	@$(BIN)/uv venv --quiet --clear --python $(PYTHON) .venv-bench
	@$(BIN)/uv pip sync --quiet --require-hashes --python .venv-bench/bin/python requirements-bench.txt
	@touch $@

bench: $(BENCH_STAMP) ## ratios of speed, in about half an hour (ARGS="--only spend --rounds 1")
	@.venv-bench/bin/python -m bench $(ARGS)

docker-build: ## the production image
	@docker build --tag legato-payments .

clean: ## remove .venv, caches and the LOCAL DATABASE (.legato); stop `make up` first
	@rm -rf $(VENV) .venv-bench .legato staticfiles .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
