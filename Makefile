# `make help` lists the targets. All of them set up what they need.
SHELL := /bin/sh
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
TESTS ?= tests
UV_COMPILE := $(BIN)/uv pip compile pyproject.toml --no-config --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header --quiet

.PHONY: help setup demo test lint format lock image dist audit bench soak clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv with the locked requirements and this checkout

$(STAMP): requirements/dev.lock pyproject.toml tools/find-python
	@python=$$(tools/find-python) && echo "Setting up $(VENV) with $$python" && "$$python" -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(STAMP) ## start a demonstration on this machine and compute a federated mean
	@$(BIN)/python examples/demo.py

# One process more than a small machine has cores: many tests wait for what they started.
test: $(STAMP) ## run the tests; with a Docker engine, the Docker tests too
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder $(TESTS)

soak: $(STAMP) ## run the long random tests, which `make test` leaves out
	$(BIN)/python -m pytest -m soak --timeout 3600 $(TESTS)

lint: $(STAMP) ## check style, types and import walls
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

bench: $(STAMP) ## measure, and print ratios against baselines of the same run
	$(BIN)/python bench/api.py
	$(BIN)/python bench/sockets.py
	$(BIN)/python bench/batch_import.py 300

format: $(STAMP) ## lay the code out
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(STAMP) ## choose the newest requirements that fit and lock them with their hashes
	$(UV_COMPILE) --upgrade --output-file requirements/server.lock
	$(UV_COMPILE) --upgrade --extra local --output-file requirements/local.lock --constraint requirements/server.lock
	$(UV_COMPILE) --upgrade --extra local --extra dev --output-file requirements/dev.lock --constraint requirements/local.lock
	$(BIN)/uv pip compile requirements/build.in --no-config --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-annotate --no-header --quiet --upgrade --output-file requirements/build.lock

image: $(STAMP) ## build the server's image from this checkout
	$(BIN)/vserver image build

dist: $(STAMP) ## make dist/: wheels, locks and images for a site without internet
	$(BIN)/python tools/dist.py

audit: $(STAMP) ## look up known vulnerabilities of the locked packages; write dist/dataquality-server.cdx.json
	@$(BIN)/python tools/audit.py

clean: ## remove what the other targets made in this folder
	rm -rf $(VENV) dist build .pytest_cache .ruff_cache .hypothesis .import_linter_cache bench/results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
