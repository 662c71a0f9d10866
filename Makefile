# `make help` lists the targets. Everything is installed into .venv; nothing outside this folder is changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORES ?= all
ARGS ?=
SCALE ?= $(shell sed -n 's/^scale: *\([a-z0-9_]*\).*/\1/p' params.yaml)
TORCH := $(shell grep '^torch==' requirements.txt)
TORCHVISION := $(shell grep '^torchvision==' requirements.txt)

.DEFAULT_GOAL := help
.PHONY: help setup reproduce test lint bench clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.installed ## make .venv with every package pinned (once; PYTHON=python3.12 chooses another Python)

# A .venv without pip is half made: where Debian's python3-venv is missing, venv stops after the interpreter.
# torch first and alone: whichever build its index gives (CPU or CUDA), nothing later asks for another.
$(VENV)/.installed: requirements.txt requirements.lock.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; choose one with: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(BIN)/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint requirements.lock.txt $(TORCH)
	$(BIN)/python -m pip install --quiet --no-deps $(TORCHVISION)
	$(BIN)/python -m pip install --quiet --requirement requirements.txt --constraint requirements.lock.txt
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $@

reproduce: setup ## run everything at the scale of params.yaml, in parallel (or SCALE=lite; CORES=4; ARGS for snakemake)
	$(BIN)/python -m snakemake $(ARGS) --cores $(CORES) --quiet host reason --config scale=$(SCALE)
	@test ! -f reports/$(SCALE)/report.html || echo "report: $(CURDIR)/reports/$(SCALE)/report.html"

test: setup ## run the test suite
	$(BIN)/python -m pytest $(ARGS)

lint: setup ## check form: ruff, mypy on the public API, snakefmt, generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/ffrepro plan --check
	$(BIN)/ffrepro docs --check

bench: setup ## time and memory of a step beside backpropagation, alone on the machine
	$(BIN)/ffrepro bench $(ARGS)

clean: ## remove what is quickly made again: smoke records, reports, logs, caches of engines; keep real-data runs
	rm -rf runs/smoke logs benchmarks mlruns mlflow.db mlflow.db.lock .snakemake dvc_plots
	find reports -mindepth 1 -maxdepth 1 ! -name reference -exec rm -rf {} +
	@test ! -d runs || echo "kept: runs/ holds records of real data; hours of work go only by hand"
