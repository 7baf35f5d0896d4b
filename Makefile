# Everything a newcomer, a developer and CI need. `make` alone lists it. Needs Python 3.11 and make, nothing else.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
BUILD_TOOL := setuptools==84.2.1
RUN_ARGS ?=
PYTEST := $(BIN)/python -m pytest -q --reruns 1 -r afER

.PHONY: help setup setup-nemo run test test-all lint check fix packs assets openapi client bench bench-asr bench-api bench-whatsapp clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' \
		|| { echo "Python 3.11 is needed; '$(PYTHON)' is another. Try: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@echo "creating $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.created requirements.lock pyproject.toml
	@echo "installing the pinned dependencies (about a minute)"
	@$(PIP) install --no-deps -r requirements.lock $(BUILD_TOOL)
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.tools: $(VENV)/.installed requirements-dev.lock
	@echo "installing the pinned tools"
	@$(PIP) install --no-deps -r requirements-dev.lock
	@touch $@

setup: $(VENV)/.installed ## Create .venv and install what the service needs

setup-nemo: setup ## Add NeMo and torch, for training, converting and GPU serving (CPU=1: torch without CUDA)
	@$(PIP) install torch==2.13.0 $(if $(filter 1 yes true,$(CPU)),--index-url https://download.pytorch.org/whl/cpu)
	@$(PIP) install --no-deps -r requirements-nemo.lock

run: setup ## Start everything, seed a demo tenant, ring five times, stay up (ONCE=1: exit after the calls)
	@$(BIN)/vaanisetu run $(if $(filter 1 yes true,$(ONCE)),--once) $(RUN_ARGS)

test: $(VENV)/.tools ## Run the tests as CI does
	@$(PYTEST) -n 4 -m "not slow and not e2e"
	@$(PYTEST) -m "not slow" tests/e2e

test-all: $(VENV)/.tools ## Run the slow tests too
	@$(PYTEST) -n 2 -m "not e2e"
	@$(PYTEST) -m e2e

lint: $(VENV)/.tools ## Check style
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

check: lint ## Check style, types and the layers
	@$(BIN)/mypy
	@PYTHONPATH=. $(BIN)/lint-imports

fix: $(VENV)/.tools ## Correct what can be corrected automatically
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

packs: setup ## Check every language pack and show its coverage
	@$(BIN)/vaanisetu packs validate

assets: setup ## Build the data that is derived from the packs (the intent model)
	@$(BIN)/vaanisetu nlu train

openapi: setup ## Write docs/openapi.json from the routes
	@$(BIN)/vaanisetu serve --write-openapi docs/openapi.json

client: $(VENV)/.tools ## Generate the typed Python client into build/client
	@$(BIN)/python scripts/client.py

bench: setup ## Five simultaneous simulated calls; writes build/bench.json
	@$(BIN)/python scripts/bench.py

bench-asr: setup ## What recognition costs: streams per core, final latency, memory; writes build/bench-asr.json
	@$(BIN)/python scripts/bench_asr.py $(if $(MODEL),--model $(MODEL))

bench-api: setup ## What the API costs, and a thousand tenants; writes build/bench-api.json
	@PYTHONPATH=. $(BIN)/python scripts/bench_api.py

bench-whatsapp: setup ## What WhatsApp costs on one core: webhooks, batches, the worker; writes build/bench-whatsapp.json
	@PYTHONPATH=. $(BIN)/python scripts/bench_whatsapp.py

clean: ## Remove .venv, caches and build output; data/ stays
	@rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis *.egg-info
