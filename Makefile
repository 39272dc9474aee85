# One verb for each thing a person does here; `make help` lists them. Everything lands in .venv, node_modules and var.
# Each step leaves a stamp in .venv/stamps, so that what is already done is not done again.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:

BIN := .venv/bin
PY := $(BIN)/python
DONE := .venv/stamps
BUILD := zrm/ui/static/build
ASSET_SOURCES := $(shell find zrm/ui/static/src 2>/dev/null) zrm/kit/gsm0338.json
PROMPT_SOURCES := $(shell find zrm/channels/voice_ivr -name '*.py' -o -name '*.yaml' 2>/dev/null)

# Nothing of the caller's own Python may leak in; the package indexes are those the machine is configured for.
unexport PYTHONPATH PYTHONHOME PYTHONSTARTUP
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# npm trusts whom the machine trusts, as pip does.
export NODE_USE_SYSTEM_CA := 1
PIP_INSTALL := $(PY) -m pip install --quiet --require-hashes --no-input --progress-bar off
NPM := PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/npm --ignore-scripts --no-audit --no-fund --no-update-notifier \
    $(if $(shell test -w "$$HOME" && echo yes),,--cache .venv/npm-cache)
LOCK := $(BIN)/uv pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

.PHONY: help run test mutate lint bench docs lock wheel clean setup setup-dev

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' Makefile

run: setup config.yaml ## start ZRM on this machine with its own database and queue (Ctrl-C stops it)
	@exec $(BIN)/zrm up

# The operator's own copy of the sample, zrm/config.yaml. It is never made anew, whatever changed in the sample.
config.yaml: | setup
	@$(BIN)/zrm --config config.yaml init

test: setup-dev ## bring the real peers, then run every test (FULL=1 makes eight times the random examples)
	@$(PY) -m tests.lab.setup
	@$(PY) -m tests.run

mutate: setup-dev ## make random faults in MODULES="zrm/…" (or what differs from main), and show those no test notices
	@MODULES="$(MODULES)" SAMPLE="$(SAMPLE)" SEED="$(SEED)" SECONDS="$(SECONDS)" JOBS="$(JOBS)" TESTS="$(TESTS)" $(PY) -m tests.mutate

lint: $(DONE)/dev $(DONE)/link ## style, types, the import rules, who writes which table
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PY) -m scripts.lint_rules

bench: setup-dev ## measure into docs/benchmarks.md (about 25 minutes; QUICK=1 only sees that all of it runs)
	@$(PY) -m bench

docs: setup-dev ## make the screenshots and plots in docs/ anew
	@$(PY) -m tests.docs

lock: $(DONE)/dev ## resolve the dependencies anew and write the lock files
	$(LOCK) --upgrade pyproject.toml -o requirements/run.txt
	$(LOCK) --upgrade pyproject.toml --group dev -c requirements/run.txt -o requirements/dev.txt
	$(NPM) install --package-lock-only --omit-lockfile-registry-resolved

wheel: setup-dev ## build what a server installs into dist/ (docs/production.md)
	$(PY) -m hatchling build --target wheel

clean: ## remove what was built; config.yaml and the data in var/ stay
	rm -rf .venv node_modules dist $(BUILD) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find zrm tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +

setup: $(DONE)/run $(DONE)/link $(BUILD)/manifest.json $(DONE)/prompts
setup-dev: setup $(DONE)/dev

# An environment whose Python is gone, or whose folder was moved, cannot start its commands: it is made anew.
$(DONE)/environment: always
	@$(PY) -c 'import pip' 2>/dev/null && test "$$(cat $@ 2>/dev/null)" = "$(CURDIR)" && exit 0; \
	python=$$(PYTHON="$(PYTHON)" scripts/find_python.sh) || exit 1; \
	echo "ZRM: making the environment in .venv (the first time, all steps together take some minutes)"; \
	"$$python" -m venv --clear .venv && mkdir -p $(DONE) && printf '%s\n' "$(CURDIR)" > $@

.PHONY: always
always:

$(DONE)/run: requirements/run.txt $(DONE)/environment
	@echo "ZRM: installing the locked Python packages"
	@$(PIP_INSTALL) -r requirements/run.txt
	@touch $@

$(DONE)/dev: requirements/dev.txt $(DONE)/run
	@echo "ZRM: installing the locked packages for tests and checks"
	@$(PIP_INSTALL) -r requirements/dev.txt
	@touch $@

$(DONE)/link: scripts/link_checkout.py $(DONE)/environment
	@$(PY) scripts/link_checkout.py
	@touch $@

node_modules/.stamp: package.json package-lock.json $(DONE)/run
	@echo "ZRM: installing the locked front-end packages"
	@$(NPM) ci --loglevel=error
	@touch $@

$(BUILD)/manifest.json: scripts/build_assets.mjs $(ASSET_SOURCES) node_modules/.stamp
	@$(BIN)/node scripts/build_assets.mjs

$(DONE)/prompts: $(PROMPT_SOURCES) $(DONE)/run $(DONE)/link
	@echo "ZRM: speaking the telephone prompts"
	@$(PY) -m zrm.channels.voice_ivr.prompts
	@touch $@
