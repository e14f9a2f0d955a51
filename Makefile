# Two commands to begin with: `make demo` makes art, `make test` proves that it works here.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
BENCH_PIP := .venv-bench/bin/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: demo test test-all lint format bench bench-original clean

demo: $(VENV)/.installed
	$(BIN)/ml4a demo

test: $(VENV)/.tests-installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" --numprocesses 2 --dist loadgroup

test-all: test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow --numprocesses 2 --dist loadgroup

lint: $(VENV)/.lint-installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright
	$(BIN)/lint-imports

format: $(VENV)/.lint-installed
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# Peers that ml4a is raced against stay out of its own environment.
bench: .venv-bench/.installed
	.venv-bench/bin/python -m benchmarks

# The library of 2021, cloned outside the tree; its noise is C code, so that this one target wants a compiler.
ML4A_ORIGINAL ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/ml4a-original
bench-original: .venv-bench/.installed
	test -d $(ML4A_ORIGINAL) || git clone --quiet https://github.com/ml4a/ml4a.git $(ML4A_ORIGINAL)
	git -C $(ML4A_ORIGINAL) checkout --quiet f35ad31
	$(BENCH_PIP) noise==1.2.2
	ML4A_ORIGINAL=$(ML4A_ORIGINAL) .venv-bench/bin/python -m benchmarks.original

clean:
	rm -rf $(VENV) .venv-bench gallery dist

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "ml4a needs Python 3.11 or newer: make demo PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) pip
	$(PIP) --editable '.[speech,face]'
	touch $@

$(VENV)/.tests-installed: $(VENV)/.installed
	$(PIP) --editable '.[all]' --group test
	touch $@

$(VENV)/.lint-installed: $(VENV)/.tests-installed
	$(PIP) --group lint
	touch $@

# moviepy forbids the Pillow that ml4a needs, and works with it.
.venv-bench/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-bench
	$(BENCH_PIP) pip
	$(BENCH_PIP) --editable . --group bench
	$(BENCH_PIP) --no-deps moviepy==2.2.1
	touch $@
