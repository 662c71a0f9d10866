# `make help` lists the targets. Everything is installed into .venv; nothing outside this folder is changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORES ?= all
ARGS ?=
COMMA := ,
SERVICES := .services
SERVICE_PACKAGES := playwright==1.55.0 psycopg2-binary==2.9.10
CLUSTER := .services/slurm
# Everything else that the plugin needs comes with Snakemake.
CLUSTER_PACKAGES := snakemake-executor-plugin-slurm==2.8.0 snakemake-executor-plugin-slurm-jobstep==0.6.1
SCALE ?= $(shell sed -n 's/^scale: *\([a-z0-9_]*\).*/\1/p' params.yaml)
TORCH := $(shell grep '^torch==' requirements.txt)
TORCHVISION := $(shell grep '^torchvision==' requirements.txt)

.DEFAULT_GOAL := help
.PHONY: help setup reproduce test services-test cluster-test lint bench clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.installed ## make .venv with every package pinned (once; PYTHON=python3.12 chooses another Python)

# $(call step,what,arguments of pip): pip's output goes to a file, and is shown where pip fails.
define step
@echo "set-up: $(1)"
@$(BIN)/python -m pip install $(2) > $(VENV)/pip.log 2>&1 || \
	{ cat $(VENV)/pip.log; echo "set-up stopped at: $(1). Once that is mended: make setup"; exit 1; }
endef

# A .venv without pip is half made: where Debian's python3-venv is missing, venv stops after the interpreter.
# torch first and alone: whichever build its index gives (CPU or CUDA), nothing later asks for another.
$(VENV)/.installed: requirements.txt requirements.lock.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; choose one with: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@echo "set-up: an environment in $(VENV); everything is installed there, once"
	@$(BIN)/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	$(call step,1 of 4 PyTorch (the largest),--constraint requirements.lock.txt $(TORCH))
	$(call step,2 of 4 torchvision,--no-deps $(TORCHVISION))
	$(call step,3 of 4 engines and numerics (snakemake$(COMMA) dvc$(COMMA) mlflow$(COMMA) scipy and theirs),--requirement requirements.txt --constraint requirements.lock.txt)
	$(call step,4 of 4 ffrepro itself,--no-deps --editable .)
	@touch $@

reproduce: setup ## run everything at the scale of params.yaml, in parallel (or SCALE=lite; CORES=4; ARGS for snakemake)
	@$(BIN)/python -m snakemake $(ARGS) --cores $(CORES) --logger ffrepro --config scale=$(SCALE)
	@test ! -f reports/$(SCALE)/report.html || $(BIN)/python -m ffrepro report --scale $(SCALE) --headline

test: setup ## run the test suite, on all cores (or ARGS="-n0 tests/core")
	@$(BIN)/python -m pytest -n auto --dist worksteal --durations 10 $(ARGS)

# $(call programs,what,commands that show it is there,Debian's packages)
define programs
@for program in $(2); do PATH="$$PATH:/usr/sbin" command -v $$program > /dev/null 2>&1 || ls $$program > /dev/null 2>&1 || \
	{ echo "installing $(1): apt-get install $(3)"; \
	apt-get install --yes --no-install-recommends $(3) > /dev/null 2>&1 || \
	echo "$(1): absent, and could not be installed: their tests are skipped"; break; }; done
endef

services-test: setup $(SERVICES)/.installed $(CLUSTER)/.installed ## tests with Chromium, PostgreSQL and Slurm (what is absent and cannot be installed is skipped)
	$(call programs,Chromium and PostgreSQL,chromium '/usr/lib/postgresql/*/bin',chromium postgresql)
	$(call programs,Slurm,slurmctld slurmd munged,slurm-wlm munge)
	PYTHONPATH=$(abspath $(SERVICES))$(addprefix :,$(PYTHONPATH)) $(BIN)/python -m pytest -n0 -s --durations 5 tests/services $(ARGS)

cluster-test: setup $(CLUSTER)/.installed ## profiles/slurm on a real Slurm of one node, started for the test (part of services-test)
	$(call programs,Slurm,slurmctld slurmd munged,slurm-wlm munge)
	$(BIN)/python -m pytest -n0 -s tests/services/test_slurm.py $(ARGS)

# Apart from .venv: nothing but these tests needs it.
$(SERVICES)/.installed: Makefile
	@$(BIN)/python -m pip install --quiet --upgrade --target $(SERVICES) $(SERVICE_PACKAGES)
	@touch $@

# In a folder of its own: with the plugin and without a Slurm every start of Snakemake takes seconds more.
$(CLUSTER)/.installed: Makefile
	@$(BIN)/python -m pip install --quiet --upgrade --no-deps --target $(CLUSTER) $(CLUSTER_PACKAGES)
	@touch $@

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
