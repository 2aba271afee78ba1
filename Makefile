# The project's commands. Everything installs into .venv from the package index; nothing else is needed.
PYTHON ?= python3
VENV := .venv
PEER := .venv-peer
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test check bench clean

demo: $(VENV)/.core  ## the main job on generated puzzles with two simulated models: no key, no network
	$(BIN)/python run_bench.py

test: $(VENV)/.dev $(PEER)/.done  ## the whole test suite
	$(BIN)/python -m pytest -n auto

check: $(VENV)/.dev  ## ruff and pyright (strict), tests included
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

bench: $(VENV)/.dev  ## speed, printed and never asserted
	for file in tests/benchmarks/bench_*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(INSTALL) -e .
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(INSTALL) -e '.[dev]'
	touch $@ $(VENV)/.core

# An independent implementation of the Anthropic and OpenAI protocols, with requirements of its own.
$(PEER)/.done: tests/models/peer-requirements.txt
	$(PYTHON) -m venv $(PEER)
	$(PEER)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

clean:
	rm -rf $(VENV) $(PEER) build *.egg-info .pytest_cache .hypothesis .ruff_cache
