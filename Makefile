# Every target makes .venv and installs what it needs; `make help` lists them.
# PYTHON=… chooses the Python (3.11 or 3.12, with its headers), otherwise the first that works.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help install demo dev test check bench chaos interop clean

VENV := .venv
READY := $(VENV)/.installed
BENCHES ?= decide journeys broadcast callbacks flood
TESTS ?= -n 2 --dist loadfile
CHAOS ?= --messages 5000 --kills 20 --json
SYSTEM_PATH := $(PATH)
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV

# A Python is good if it runs (a shim may not), has the right version, can make environments, and
# has the headers that durable_rules is compiled against.
define IS_GOOD
import pathlib, sys, sysconfig, venv, ensurepip
headers = pathlib.Path(sysconfig.get_path("include"), "Python.h")
sys.exit(not ((3, 11) <= sys.version_info[:2] <= (3, 12) and headers.exists()))
endef
export IS_GOOD

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(READY) ## Make .venv and install everything into it

demo: $(READY) ## Play the stories on real servers (STORY=bank plays one)
	@tellal demo $(STORY)

dev: $(READY) ## Keep the whole stack up and print its addresses
	@tellal dev

test: $(READY) ## Run the tests
	@pytest $(TESTS)

check: $(READY) ## Format, lint, types, import contracts, tests
	@ruff format --check
	@ruff check
	@mypy
	@lint-imports
	@pytest $(TESTS)

bench: $(READY) ## Measure beside bare baselines (BENCHES="decide flood")
	@for name in $(BENCHES); do tellal bench $$name --json || exit 1; done

chaos: $(READY) ## Kill processes while providers misbehave, and compare the books
	@tellal chaos $(CHAOS)

interop: $(READY) ## Speak to software that others wrote (from Debian and npm, needs root)
	@python -m tests.interop

clean: ## Remove .venv and what the tools left; the data in .tellal stay
	@rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis \
		.import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml constraints.txt
	@python=; PATH="$(SYSTEM_PATH)"; \
	for candidate in $(or $(PYTHON),python3.12 python3.11 python3); do \
		if "$$candidate" -c "$$IS_GOOD" >/dev/null 2>&1; then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
		echo "No Python 3.11 or 3.12 with venv and headers was found; install one" \
			"(Debian: python3-venv python3-dev), or name it: make install PYTHON=/path/to/python" >&2; \
		exit 1; \
	fi; \
	$(VENV)/bin/python -c "$$IS_GOOD" >/dev/null 2>&1 || "$$python" -m venv --clear $(VENV)
	@python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	@python -m pip install --quiet --constraint constraints.txt --group dev --editable .
	@touch $@
