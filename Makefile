# Plugin Federation Network: what a newcomer, a developer and CI type.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.ready
ARGS   ?=

.DEFAULT_GOAL := help
.PHONY: bench bench-growth bench-profile load help setup demo demo-network test test-clients test-postgres test-grown check format lock screenshots simulate sizes texts clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv with every pinned, hashed dependency and the pfn command

$(STAMP): requirements/dev.txt pyproject.toml
	@scripts/setup.sh "$(PYTHON)" "$(VENV)"
	@touch $@

demo: $(STAMP) ## a publisher with real plugins and a node: registered, proven, mirrored, verified (ARGS=--once to exit)
	@$(BIN)/python scripts/demo.py $(ARGS)

demo-network: $(STAMP) ## three nodes, two publishers; one of each is killed, and a site can still update (ARGS=--once to exit)
	@$(BIN)/python scripts/demo_network.py $(ARGS)

test: $(STAMP) ## run the tests (ARGS="-k name" for some)
	@$(BIN)/python -m pytest -n auto -m "not clients and not grown" $(ARGS)

test-clients: $(STAMP) ## run the tests with a real WordPress, its database, Composer and Chromium, from Debian
	@$(BIN)/python -m pytest -n auto -m clients $(ARGS)

bench: $(STAMP) ## measure against anchors: nginx, wrk, curl (ONLY=download for some, ARGS=--quick)
	@$(BIN)/python -m bench $(ONLY) $(ARGS)

bench-profile: $(STAMP) ## show where the time of a row goes (ONLY="poll search"; needs py-spy)
	@$(BIN)/python -m bench.profile $(ONLY) $(ARGS)

bench-growth: $(STAMP) ## what things cost against what is stored, drawn into docs/images (ARGS="--sizes 1000 10000")
	@$(BIN)/python -m bench.growth $(ARGS)

test-postgres: $(STAMP) ## run the tests of whole nodes once more, with their rows on PostgreSQL
	@PFN_TEST_DATABASE=postgres $(BIN)/python -m pytest -n auto -m "not clients and not grown" \
	    tests/web/api tests/web/pages tests/web/test_*.py tests/work tests/test_work.py tests/services/test_release_log.py $(ARGS)

test-grown: $(STAMP) ## run the tests with PostgreSQL, S3, nginx, many processes, faults and load
	@$(BIN)/python -m pytest -n auto -m grown $(ARGS)

load: $(STAMP) ## read from a node while its sources change, and watch its memory (ARGS="--minutes 60 --rate 40")
	@$(BIN)/python scripts/load.py $(ARGS)

check: $(STAMP) ## format, lint, types, import rules, file sizes
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/sizes.py

format: $(STAMP) ## format the code and mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

sizes: $(STAMP) ## print the sizes of the source files
	@$(BIN)/python scripts/sizes.py

screenshots: $(STAMP) ## draw the pictures in docs/images (needs Debian's chromium)
	@$(BIN)/python scripts/screenshots.py

simulate: $(STAMP) ## a node among 1,000 misbehaving and honest sources for a day, in minutes (ARGS="--sources 100 --plugins 6000")
	@$(BIN)/python scripts/simulate.py $(ARGS)

texts: $(STAMP) ## gather the pages' texts into src/pfn/web/texts; then translate what is empty in the .po files
	@$(BIN)/python scripts/texts.py

lock: ## renew the pinned, hashed requirement files (needs uv)
	scripts/lock.sh

clean: ## remove .venv, caches and the demo's data
	rm -rf $(VENV) .demo .demo-network .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
