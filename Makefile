# Everything sets itself up: a machine with Python 3.11 or newer and make is enough.
#   make demo   the main job on real data: train, compress, export, stream, benchmark
#   make test   every lint and every test, in the full environment and in a device-only one

PYTHON ?= python3
FULL := .venv
DEVICE := .venv-device
BUNDLE := build/fixture.nsight
PIP := -m pip --disable-pip-version-check install -qq

export PIP_NO_WARN_SCRIPT_LOCATION := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-whole test-rooms lint format clean

help: ## Say what there is
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' $(MAKEFILE_LIST) | expand -t 16

demo: $(FULL)/.demo ## Train, compress, export, stream and benchmark on real purchases
	@$(FULL)/bin/nearsight demo

test: lint $(DEVICE)/.ready ## Run every lint and every test
	@$(MAKE) --no-print-directory --jobs 2 test-whole test-rooms
	$(FULL)/bin/python tests/device/fixture.py $(BUNDLE)
	NEARSIGHT_FIXTURE=$(BUNDLE) $(DEVICE)/bin/python -m pytest tests/device tests/sdk

WHOLE := tests/cli tests/benchmarks tests/end_to_end

test-whole: # tests of whole programs take half of the time, so both halves run side by side
	$(FULL)/bin/python -m pytest $(WHOLE)

test-rooms:
	$(FULL)/bin/python -m pytest $(addprefix --ignore=,$(WHOLE))

lint: $(FULL)/.ready ## Check style, types and the direction of imports
	$(FULL)/bin/ruff check
	$(FULL)/bin/ruff format --check
	$(FULL)/bin/mypy
	$(FULL)/bin/lint-imports

format: $(FULL)/.ready ## Format the code and mend what can be mended
	$(FULL)/bin/ruff format
	$(FULL)/bin/ruff check --fix

clean: ## Remove the environments and everything that was built (runs/ stays)
	rm -rf $(FULL) $(DEVICE) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# An environment's stamp is newer than what it was made from, so that a second call installs nothing.

$(FULL)/.demo: $(FULL)/pyvenv.cfg pyproject.toml constraints.txt
	@echo "Installing what the demo needs into $(FULL) (about 2.5 GB; this happens once) ..."
	@$(FULL)/bin/python $(PIP) --constraint constraints.txt --editable '.[all]'
	@touch $@

$(FULL)/.ready: $(FULL)/.demo
	@echo "Installing what the tests need into $(FULL) ..."
	@$(FULL)/bin/python $(PIP) --constraint constraints.txt --editable '.[dev]'
	@touch $@

$(DEVICE)/.ready: $(DEVICE)/pyvenv.cfg pyproject.toml constraints-device.txt
	@echo "Installing the device package and its test tools into $(DEVICE) ..."
	@$(DEVICE)/bin/python $(PIP) --constraint constraints-device.txt --editable '.[tflite,trust,store]' pytest hypothesis
	@touch $@

%/pyvenv.cfg:
	@command -v $(PYTHON) >/dev/null || { echo "nearsight needs Python 3.11 or newer, and there is no $(PYTHON): install it, or name one with make PYTHON=..." >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "nearsight needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>&1): name another with make PYTHON=python3.11" >&2; exit 2; }
	@$(PYTHON) -m venv $* || { rm -rf $*; echo "$(PYTHON) can't make a virtual environment: install its venv module (Debian and Ubuntu call it python3-venv)" >&2; exit 2; }
