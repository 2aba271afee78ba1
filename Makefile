# The project's commands. Everything installs into .venv from the package index; nothing else is needed.
PYTHON ?= python3
VENV := .venv
PEER := .venv-peer
VLLM := .venv-vllm
INSPECT := .venv-inspect
LLM := .venv-llm
ZERO3 := .venv-zero3
BIN := $(VENV)/bin
PARTS ?= api report resume memory replay sets start local vllm ray families rewards
PIP := -m pip install --quiet --no-compile --disable-pip-version-check

# $(call install,ENVIRONMENT,WHAT): by uv, in a tenth of pip's time; by pip where uv finds something missing (it does not read pip's settings).
install = $(BIN)/uv pip install --quiet --python $(1)/bin/python $(2) || $(1)/bin/python $(PIP) $(2)

# Packages are installed without byte code: the first process that imports a module keeps it for the others, which start in half the time.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := demo

# Everything that the checks need, several at once: make -j2 environments
environments: $(VENV)/.dev $(PEER)/.done $(VLLM)/.done $(INSPECT)/.done browser tex

.PHONY: environments demo test check test-vllm test-inspect test-ray test-llm test-zero3 resolve bench calibration structure chaos audit wheel browser tex clean

demo: $(VENV)/.core  ## the main job on generated puzzles with the shipped checkpoints: no key, no network
	$(BIN)/python run_bench.py

test: $(VENV)/.dev $(PEER)/.done browser tex  ## the whole test suite
	$(BIN)/python -m pytest -n auto

test-vllm: $(VLLM)/.done  ## the real vLLM engine on the CPU, offline and as a server, against transformers
	$(VLLM)/bin/python -m pytest tests/vllm

test-inspect: $(INSPECT)/.done  ## logs and tasks against Inspect AI itself, whose requirements disagree with ours
	$(INSPECT)/bin/python -m pytest tests/inspect/test_inspect.py

test-ray: $(VENV)/.dev  ## a real Ray cluster of two nodes on this machine, one of which is killed
	RAY_CLUSTER=1 $(BIN)/python -m pytest tests/ray

test-llm: $(VENV)/.dev $(LLM)/.done  ## a real small language model behind a real llama.cpp server: half an hour, not part of CI
	$(BIN)/python -m tests.llm.ask $(LLM) results/llm

test-zero3: $(ZERO3)/.done $(VLLM)/.done  ## ZeRO-3, FSDP2 and LoRA in two real processes, their weights in the real vLLM: 15 to 20 minutes, not part of CI
	$(ZERO3)/bin/python -m pytest tests/gpus

resolve: $(VENV)/.dev  ## every extra for Python 3.11 to 3.13 by uv's resolver, and by pip's for each of these that is here; nothing is installed
	$(BIN)/python -m tests.benchmarks.resolve

browser:  ## Chromium for the tests of the HTML report, where it is missing and this is root on Debian; they are skipped without it
	command -v chromium >/dev/null || [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null || \
		{ apt-get update -qq && apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 chromium; }

check: $(VENV)/.dev  ## ruff and pyright (strict), tests included
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

bench: $(VENV)/.dev  ## speed beside peers, one table at the end, printed and never asserted; one part: make bench PARTS=api
	@rows=$$(mktemp); for name in $(PARTS); do test -f tests/benchmarks/bench_$$name.py || continue; \
	echo "== $$name"; BENCH_ROWS=$$rows $(BIN)/python -m tests.benchmarks.bench_$$name || { rm -f $$rows; exit 1; }; done; \
	echo "== the table"; $(BIN)/python -m tests.benchmarks.table $$rows; rm -f $$rows

calibration: $(VENV)/.dev  ## coverage, bias, false alarms and attribution on simulated outcomes; rewrites reports/example/calibration.md
	$(BIN)/python -m tests.benchmarks.calibration_report

structure: $(VENV)/.dev  ## modules, rooms, arrows and the longest walk along imports
	$(BIN)/python -m tests.benchmarks.structure

chaos: $(VENV)/.dev  ## the promises of docs/robustness.md tried in full, half an hour; a small share of it is part of the tests
	$(BIN)/python -m tests.chaos

audit: $(VENV)/.dev  ## known vulnerabilities of the pinned packages; says so where the service that knows them is not reachable
	$(BIN)/python -m tests.benchmarks.audit

wheel: $(VENV)/.dev  ## the package as a wheel in dist/
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-build-isolation --no-deps --wheel-dir dist .

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "sightgap needs Python 3.11 or newer, and $(PYTHON) is \
	$$($(PYTHON) --version 2>&1 | head -1): name another, for example  make PYTHON=python3.13" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# torch comes by pip: uv does not find its CPU build where an index holds several builds of a version.
$(BIN)/uv: | $(VENV)/bin/python
	$(BIN)/python $(PIP) -c constraints.txt torch uv

$(VENV)/.core: pyproject.toml constraints.txt | $(BIN)/uv
	$(call install,$(VENV),-c constraints.txt -e '.[local]')
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/uv
	$(call install,$(VENV),-c constraints.txt -e '.[dev]')
	touch $@ $(VENV)/.core

# An independent implementation of the Anthropic and OpenAI protocols, with requirements of its own.
$(PEER)/.done: tests/models/peer-requirements.txt | $(BIN)/uv
	$(PYTHON) -m venv $(PEER)
	$(call install,$(PEER),-r $<)
	touch $@

$(VLLM)/.done: tests/vllm/setup.sh | $(BIN)/uv
	rm -rf $(VLLM)
	tests/vllm/setup.sh $(VLLM) $(PYTHON) $(BIN)/uv
	touch $@

$(INSPECT)/.done: tests/inspect/inspect-requirements.txt pyproject.toml | $(BIN)/uv
	$(PYTHON) -m venv $(INSPECT)
	$(call install,$(INSPECT),-r $<)
	$(call install,$(INSPECT),--no-deps -e .)
	touch $@

# The versions of the machine with GPUs, on the CPU and without vLLM.
$(ZERO3)/.done: constraints-gpus.txt pyproject.toml
	$(PYTHON) -m venv $(ZERO3)
	$(ZERO3)/bin/python $(PIP) -c constraints-gpus.txt -e '.[train]' deepspeed \
		pytest==9.2.0 pytest-timeout==2.4.0 pytest-socket==0.8.1 hypothesis==6.170.15
	touch $@

$(LLM)/.done: tests/llm/setup.sh
	rm -rf $(LLM)
	tests/llm/setup.sh $(LLM) $(PYTHON)
	touch $@

# A real TeX for the tables of the paper: about 80 s and 150 MB once, where it can be installed; the tests that need it skip elsewhere.
tex: | browser
	@command -v pdflatex >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && \
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 \
	texlive-latex-base texlive-latex-recommended >/dev/null; } || echo "no pdflatex: the tests of the LaTeX tables will be skipped"

clean:
	rm -rf $(VENV) $(PEER) $(VLLM) $(INSPECT) $(LLM) $(ZERO3) build dist *.egg-info .pytest_cache .hypothesis .ruff_cache
