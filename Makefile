# Everything is set up on the way: a virtual environment per Python version, the locked dependencies, a broker and a database.
# `make test ARGS="-k refund"` passes options on; `make test PYTHON=python3.13` uses another Python, beside the first.

SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))

ifndef PYTHON
PYTHON := $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c '$(SUPPORTED)' 2>/dev/null && echo $$python && break; done)
endif
ifeq ($(PYTHON),)
PYTHON := python3
endif

VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
VENV := .venv/$(VERSION)
BIN := $(VENV)/bin
READY := $(VENV)/.ready
ARGS ?=

# `$(call option,SEED)` is `--seed 422` when SEED=422 was given to make, and nothing otherwise.
option = $(if $($(1)),--$(shell echo $(1) | tr A-Z a-z) $($(1)))

.DEFAULT_GOAL := help
.PHONY: help setup demo run test check contracts conformance simulate soak chaos explore safeguards fuzz bench lock clean

help: ## Print these targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY) ## Run the whole service against a Stripe simulator, and check what must hold
	@$(BIN)/payments-sandbox demo $(ARGS)

# Processes share the tests, a file stays in one of them: tests/sharing.py says how many. ARGS=-n0 keeps all in one, as --pdb and -s do.
test: $(READY) ## Run every test, with a broker and a database of their own
	@$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

run: $(READY) ## Start the whole service locally and stay up; Ctrl-C ends it
	@$(BIN)/payments-sandbox run $(ARGS)

check: $(READY) ## Lint, format, types and the house rules
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/python -m pytest tests/tidy -q

contracts: $(READY) ## Write the JSON Schemas and the AsyncAPI document anew
	@$(BIN)/python -m contracts.generate $(ARGS)

conformance: $(READY) ## Compare the stand-ins with the real things; some of it needs Go
	@$(BIN)/python -m pytest tests/conformance $(ARGS)

simulate: $(READY) ## Live through seeded schedules on all cores: SCHEDULES=, HISTORIES=, CUSTOMERS= say how many, SEED= tells one
	@$(BIN)/python -m tests.simulate $(foreach name,SCHEDULES HISTORIES CUSTOMERS SEED,$(call option,$(name))) $(ARGS)

soak: $(READY) ## Run the real stack while workers are killed, and print the ledger: MESSAGES=, KILLS=, SEED=
	@$(BIN)/python -m tests.soak $(foreach name,MESSAGES KILLS SEED,$(call option,$(name))) $(ARGS)

chaos: $(READY) ## Inject every fault of the matrix into real processes; ARGS="-k row_15" picks
	@CHAOS=1 $(BIN)/python -m pytest tests/chaos $(FAULTS) -v $(ARGS)

FAULTS := $(wildcard tests/e2e/test_fault_rows_*.py tests/e2e/test_ingress_*.py tests/integration/test_worker_*.py) \
	tests/integration/test_stripe_outage.py tests/integration/test_dead_letters_again.py tests/integration/test_dead_letters_desk.py \
	tests/integration/test_contracts_transport.py tests/integration/test_contracts_client.py tests/e2e/test_coverage.py \
	tests/conformance/gateway/test_stripe_gateway.py

explore: $(READY) ## Go through small worlds completely: every interleaving of two workers, a crash and a lost ack
	@$(BIN)/python -m tests.explore $(ARGS)

safeguards: $(READY) ## Take every safeguard away in turn, in a copy, and show that a test turns red
	@$(BIN)/python -m tests.safeguards $(ARGS)

fuzz: $(READY) ## Try bytes that come from outside, guided by what they reach; SECONDS=60 in all
	@$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/uv pip install --quiet --python $(BIN)/python \
		--only-binary atheris --requirements pyproject.toml --extra fuzz || true
	@$(BIN)/python -m tests.fuzz $(call option,SECONDS) $(ARGS)

bench: $(READY) ## Measure
	@$(BIN)/python -m benchmarks $(ARGS)

setup: $(READY) ## Make the virtual environment and install the locked dependencies

lock: $(READY) ## Resolve the dependencies anew; ARGS=--upgrade takes newer ones
	@$(BIN)/uv pip compile pyproject.toml $(LOCK) $(ARGS) --output-file requirements.lock
	@$(BIN)/uv pip compile pyproject.toml --extra dev $(LOCK) $(ARGS) --output-file requirements-dev.lock

LOCK := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

clean: ## Remove everything that make has made
	@rm -rf .venv .sandbox .fuzz .pytest_cache .mypy_cache .ruff_cache .hypothesis dist *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment is whole only when the file is there: a broken download leaves no half-made one that looks ready.
$(READY): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c '$(SUPPORTED)' 2>/dev/null || { \
		echo "need Python 3.11, 3.12 or 3.13; $(PYTHON) is: $$($(PYTHON) --version 2>/dev/null || echo not to be had)" >&2; \
		echo "name another one:  make $(MAKECMDGOALS) PYTHON=python3.13" >&2; \
		exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments: installing python$(VERSION)-venv …"; \
		[ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get -qq update && \
		DEBIAN_FRONTEND=noninteractive apt-get -qq install -y python$(VERSION)-venv >/dev/null; } || { \
		echo "need the modules venv and ensurepip; on Debian and Ubuntu:  sudo apt-get install python$(VERSION)-venv" >&2; \
		exit 1; }
	@echo "setting up $(VENV): locked dependencies, about a minute, once …"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
