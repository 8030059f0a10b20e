# One command for each thing a person does here; `make help` lists them.
#
#   PYTHON   the interpreter the virtual environment is made with (default python3, at least 3.11)
#   ARGS     passed on:  make test ARGS="tests/ledger -k deposit"   make bench ARGS=ledger
#   ONCE     make demo ONCE=1 ends after the last step, with an exit code, instead of staying up
#   STEADY_S make test-long STEADY_S=60: seconds for which withdrawals come steadily
#   PROGRAM  of your own instead of a fetched one:  BITCOIND=…  LITECOIND=…  ANVIL=…

PYTHON ?= python3
ARGS ?=
ONCE ?=
STEADY_S ?= 600
COIN ?= btc
N ?= 1

VENV := .venv
PY := $(VENV)/bin/python
LOCK_VENV := .venv-lock
UV_VERSION := 0.13.8
RUN_LOCK := requirements.lock
DEV_LOCK := tests/requirements-dev.lock
ROOMS := actors gateway coins ledger monitoring config
COMPILE := pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet

# Said again in full when it finds something: it warns of every comment that silences it.
BANDIT = $(VENV)/bin/bandit --quiet --configfile pyproject.toml --recursive $(ROOMS) run.py

# The flows wait for real processes most of their time: they run beside the other tests, and speak after them.
FLOWS_LOG := .pytest_cache/flows.log
define pytest
if [ -n "$(ARGS)" ]; then exec env $(1) $(PY) -m pytest $(ARGS); fi; \
mkdir -p $(dir $(FLOWS_LOG)); \
env $(1) $(PY) -m pytest tests/flows > $(FLOWS_LOG) 2>&1 & flows=$$!; trap 'kill $$flows 2> /dev/null' INT TERM; \
env $(1) $(PY) -m pytest --ignore=tests/flows; rest=$$?; \
wait $$flows; code=$$?; cat $(FLOWS_LOG); [ $$rest -eq 0 ] && exit $$code; exit $$rest
endef

# The text after `##` is what `make help` shows.
.DEFAULT_GOAL := help
.PHONY: help install demo test test-long fuzz crash-matrix check bench nodes nodes-up nodes-down nodes-mine nodes-pay nodes-month lock clean venv-run venv-dev
MAKEFLAGS += --no-print-directory

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: venv-run ## only what the cashier needs to run: the virtual environment .venv

demo: venv-run nodes ## three real nodes and the cashier on them, the main job shown (ONCE=1: end with an exit code)
	@$(PY) -m tests.demo $(if $(filter-out 0,$(ONCE)),--once) $(ARGS)

test: check nodes ## everything: checks, then all tests, real nodes included
	@$(call pytest,)

test-long: check nodes ## the same with the long rows in full, then ten minutes of withdrawals (STEADY_S=60: one)
	@$(call pytest,CASHIER_TEST_LONG=1)
	@$(if $(ARGS),true,$(PY) -m tests.flows.steady $(STEADY_S))

fuzz: venv-dev nodes ## random payments, reorgs and kill -9 on the real nodes, 20 seeds each (ARGS="--family evm --seed 3")
	@$(PY) -m tests.fuzz $(ARGS)

crash-matrix: venv-dev nodes ## kill -9 at each named point of a withdrawal, on each currency (ARGS="--currency BTC --scene pay")
	@$(PY) -m tests.crash $(ARGS)

check: venv-dev ## format, lint, types, import rules, security lint; no test
	@$(VENV)/bin/ruff format --check --quiet . || { $(call say,ruff format found files to format: $(VENV)/bin/ruff format .); }
	@$(VENV)/bin/ruff check --quiet .
	@$(VENV)/bin/mypy --strict .
	@PYTHONPATH=. $(VENV)/bin/lint-imports --no-logo
	@$(BANDIT) 2> /dev/null || $(BANDIT)

bench: venv-dev nodes ## measure against the bars; writes tests/benchmarks/RESULTS.md
	@$(PY) -m tests.benchmarks $(ARGS)

nodes: venv-run ## fetch bitcoind, litecoind and anvil into .nodes/ (nothing to do the second time)
	@$(PY) -m tests.nodes.fetch

nodes-up: nodes ## start the three nodes beside this shell, print where they answer
	@$(PY) -m tests.nodes.up up

nodes-down: venv-run ## stop them; their chains stay
	@$(PY) -m tests.nodes.up down

nodes-mine: venv-run ## mine on one of them: COIN=btc N=3
	@$(PY) -m tests.nodes.up mine $(COIN) $(N)

nodes-pay: venv-run ## pay from its faucet: COIN=btc TO=<address> AMOUNT=0.5
	@$(PY) -m tests.nodes.up pay $(COIN) $(TO) $(AMOUNT)

nodes-month: venv-run ## let the month end on all three, to try a closing
	@$(PY) -m tests.nodes.up month

lock: $(LOCK_VENV)/uv-$(UV_VERSION) ## resolve the dependencies anew into the two hashed locks (UPGRADE=1: newest versions)
	@$(LOCK_VENV)/bin/uv $(COMPILE) $(if $(UPGRADE),--upgrade) pyproject.toml -o $(RUN_LOCK) > /dev/null
	@$(LOCK_VENV)/bin/uv $(COMPILE) $(if $(UPGRADE),--upgrade) pyproject.toml --group dev -c $(RUN_LOCK) \
		-o $(DEV_LOCK) > /dev/null
	@echo "$(RUN_LOCK) and $(DEV_LOCK) are written"

clean: ## remove what was made here: environments, fetched nodes, caches, demo data
	@if [ -x $(PY) ]; then $(PY) -m tests.nodes.up down > /dev/null; fi
	@rm -rf $(VENV) $(LOCK_VENV) .nodes .demo .data .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache .schemathesis tests/upstream
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the virtual environments -------------------------------------------------------------------------------
# Each holds exactly what its lock says, hashes checked. A stamp remembers the locks it was made from: the
# environment is brought up to date when they change, and left alone otherwise.

say = echo "make: $(1)" >&2; exit 1
run_sum = $$(cat $(RUN_LOCK) | sha256sum | cut -c1-64)
dev_sum = $$(cat $(RUN_LOCK) $(DEV_LOCK) | sha256sum | cut -c1-64)
INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check --no-input --require-hashes --no-deps

venv-run:
	@if [ "$$(cat $(VENV)/.dev 2>/dev/null)" = "$(dev_sum)" ] || [ "$$(cat $(VENV)/.run 2>/dev/null)" = "$(run_sum)" ]; \
	then exit 0; fi; \
	$(MAKE) -s $(VENV)/bin/python || exit 1; \
	echo "installing $(RUN_LOCK) into $(VENV)"; \
	$(INSTALL) -r $(RUN_LOCK) || { $(call say,pip could not install $(RUN_LOCK)); }; \
	echo "$(run_sum)" > $(VENV)/.run

venv-dev:
	@if [ "$$(cat $(VENV)/.dev 2>/dev/null)" = "$(dev_sum)" ]; then exit 0; fi; \
	$(MAKE) -s $(VENV)/bin/python || exit 1; \
	echo "installing $(DEV_LOCK) into $(VENV)"; \
	$(INSTALL) -r $(DEV_LOCK) || { $(call say,pip could not install $(DEV_LOCK)); }; \
	echo "$(dev_sum)" > $(VENV)/.dev

$(VENV)/bin/python $(LOCK_VENV)/bin/python:
	@command -v $(PYTHON) > /dev/null || { $(call say,$(PYTHON) is missing; as root: apt-get install python3-venv); }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ $(call say,Python 3.11 or newer is needed; name another one: make PYTHON=python3.12 …); }
	@$(PYTHON) -m venv $(@:/bin/python=) > /dev/null || { rm -rf $(@:/bin/python=); \
		$(call say,no virtual environment can be made; as root: apt-get install python3-venv); }

$(LOCK_VENV)/uv-$(UV_VERSION): $(LOCK_VENV)/bin/python
	@$(LOCK_VENV)/bin/python -m pip install --quiet --disable-pip-version-check "uv==$(UV_VERSION)" || \
		{ $(call say,uv $(UV_VERSION) could not be installed); }
	@touch $@
