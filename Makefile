# Development tasks; on a clean clone `make demo` creates .venv first. Python 3.11 to 3.13.
#   make demo                    train on rendered balloons and show the result
#   make test | test-slow | test-all
#   make fuzz                    corrupted files for FUZZ_MINUTES=10; not part of CI
#   make fuzz-properties         the property tests with new examples, FUZZ_EXAMPLES=300 each; not part of CI
#   make check | format          checks before a commit | automatic fixes
#   make bench [BENCH=file.py]   the metrics of docs/results.md
#   make bundled                 train the bundled models (five hours; images in SHARED)
#   make docs                    test README and docs: commands, outputs, links
#   make site                    the same, then build a website in build/site (installs the extra `docs`)
#   make wheel                   dist/maskwright-VERSION-py3-none-any.whl
# PYTHON=python3.12 picks the interpreter; TORCH_INDEX=<URL of a wheel index> is used for torch.
# TESTS=tests/test_x.py picks tests.

PYTHON ?= python3
TORCH_INDEX ?=
TESTS ?=
BENCH ?= $(wildcard benchmarks/*.py)

VENV := .venv
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help install demo test test-slow test-all fuzz fuzz-properties check format bench bundled docs site wheel

help:
	@sed -n 's/^#  *\(make .*\)/\1/p' Makefile

install: $(READY)

# torch is installed first, so that the chosen build (CPU or CUDA) is kept.
$(READY): requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet $$(grep '^torch==' requirements/dev.txt) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
	$(BIN)/python -m pip install --quiet -r requirements/dev.txt -e .
	@touch $(READY)

demo: $(READY)
	$(BIN)/maskwright demo

test: $(READY)
	$(BIN)/python -m pytest -m "not slow" $(TESTS)

test-slow: $(READY)
	$(BIN)/python -m pytest -m slow $(TESTS)

test-all: $(READY)
	$(BIN)/python -m pytest $(TESTS)

# Failing inputs are in build/fuzz, with kind and seed; FUZZ=--json gives the report as JSON.
FUZZ_MINUTES ?= 10
FUZZ ?=
fuzz: $(READY)
	PYTHONPATH=tests OMP_NUM_THREADS=1 $(BIN)/python -m fuzz --minutes $(FUZZ_MINUTES) $(FUZZ)

# Failures are printed; add them as `@example` to the test.
FUZZ_EXAMPLES ?= 300
fuzz-properties: $(READY)
	MASKWRIGHT_HYPOTHESIS=fuzz FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) $(BIN)/python -m pytest -m "hypothesis and not slow" $(TESTS)

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports
	$(BIN)/python tools/code_counts.py
	@if command -v tsc >/dev/null; then tsc -p tools; else echo "no tsc: the types of the pages' scripts are not checked"; fi

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY)
	@set -e; for script in $(BENCH); do echo "== $$script"; $(BIN)/python $$script; done

# The data: the balloon set (`maskwright download balloon`) and, for backgrounds, any folder of images in the layout of
# docs/data-and-licenses.md; without it all backgrounds are rendered.
SHARED ?= $(or $(MASKWRIGHT_SHARED),../shared)
BUNDLED := src/maskwright/weights/bundled
bundled: $(READY)
	$(BIN)/python recipes/render.py build/scenes --count 5000 $(if $(wildcard $(SHARED)/data/pretrain),--backgrounds $(SHARED)/data/pretrain)
	$(BIN)/maskwright train build/scenes --recipe recipes/scenes.toml --out build/runs --name scenes
	$(BIN)/maskwright train $(SHARED)/data/balloon/train --recipe recipes/balloons.toml --no-validate --out build/runs --name balloons
	$(BIN)/python recipes/bundle.py build/runs/balloons $(BUNDLED)/balloons --evaluate $(SHARED)/data/balloon/val \
	  --page recipes/balloons.md --trained-on "5000 rendered scenes, balloon/train"
	$(BIN)/python recipes/thresholds.py $(SHARED)/data/balloon/train $(BUNDLED)/balloons --recipe recipes/balloons.toml
	$(BIN)/python recipes/render.py build/welds --kind welds --count 250 --val 4
	$(BIN)/python recipes/render.py build/rust --kind rust --count 250 --val 4
	$(BIN)/python recipes/pretrain.py $(SHARED)/data/pretrain $(SHARED)/data/pretrain2 --scenes build/scenes build/welds \
	  build/rust --count 250 --heads $(BUNDLED)/small_mobilenet --out build/runs
	$(BIN)/python recipes/bundle.py build/runs/small $(BUNDLED)/small --evaluate $(SHARED)/data/balloon/val \
	  --page recipes/small.md --trained-on "5886 images of 52 open sets, 750 rendered scenes"
	$(BIN)/python recipes/clicks.py $(SHARED)/data/pretrain $(SHARED)/data/pretrain2 build/scenes --out $(BUNDLED)/clicks
	cp recipes/clicks.md $(BUNDLED)/clicks/MODEL_CARD.md

docs: $(READY)
	$(BIN)/python -m pytest tests/test_repository.py tests/test_docs.py

site: docs
	$(BIN)/python -m pip install --quiet -e ".[docs]"
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	$(BIN)/python tools/check_site.py build/site

wheel: $(READY)
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
