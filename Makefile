# make demo, make test, make check: each installs first, which takes minutes once and nothing afterwards.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What make bench measures on; any folder of the same layout will do.
DATA ?= tests/data/wordnet
NATIVE := Cargo.toml Cargo.lock $(shell find native -name '*.rs' -o -name Cargo.toml)

.PHONY: help install demo test check format bench clean

help:
	@echo 'make demo     install, then see it work on real data'
	@echo 'make test     install, then run all tests'
	@echo 'make check    format, lints, types, import layers'
	@echo 'make format   put the code into its format'
	@echo 'make bench    measure; prints tables, takes a while'
	@echo 'make install  put the package and the elanus command into $(VENV)'
	@echo 'make clean    remove $(VENV), build results, demo data'

install: $(VENV)/installed

# The tools that build and test: a group of pyproject.toml.
$(VENV)/tools: pyproject.toml
	@tools/check-machine $(PYTHON)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo 'installing tools into $(VENV)'
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --group dev
	@touch $@

# The package itself, from src/ in place; its native core is built when a Rust file changed.
$(VENV)/installed: $(VENV)/tools $(NATIVE)
	@tools/check-machine $(PYTHON)
	@echo 'building the native core and installing elanus'
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pip install --quiet --no-build-isolation --editable '.[client]'
	@touch $@

demo: install
	@$(BIN)/python demo/demo.py

test: install
	cargo test --quiet --workspace
	$(BIN)/python -m pytest

check: install
	$(BIN)/ruff format --check src tests tools demo benchmarks
	$(BIN)/ruff check src tests tools demo benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports
	cargo fmt --all --check
	cargo clippy --quiet --workspace --all-targets -- -D warnings

format:
	$(BIN)/ruff check --fix --quiet src tests tools demo benchmarks || true
	$(BIN)/ruff format src tests tools demo benchmarks
	cargo fmt --all

bench: install
	$(BIN)/python benchmarks/server.py --data $(DATA)
	$(BIN)/python benchmarks/filter.py
	$(BIN)/python benchmarks/ann.py --data $(DATA)

clean:
	rm -rf $(VENV) target demo-data src/elanus/_native/*.so
