# Three commands: make demo, make test, make lint. Each makes its own environment the first time, and again when
# pyproject.toml, constraints.txt or the C++ sources change. Needs Python >= 3.11 and a C++20 compiler.

PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 2

BIN := $(VENV)/bin
SOURCES := pyproject.toml constraints.txt CMakeLists.txt $(shell find csrc -type f)
RUNTIME := .venv-runtime
SHIPPED := build/models/SwinIR-light_x2_4_bits.intaglio

# By environment, not by option: then the isolated build of the C++ core is pinned as well, by old and new pip alike.
export PIP_CONSTRAINT := constraints.txt
export PIP_BUILD_CONSTRAINT := constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# One computing thread for each test worker: more only wait for one another.
test: export OMP_NUM_THREADS = 1

.PHONY: help demo test lint docs test-without-torch web clean
.DELETE_ON_ERROR:

help:
	@echo "make demo   quantize the embedded network and look at the result (about three minutes)"
	@echo "make test   lint, types, tests"
	@echo "make lint   lint and types alone"
	@echo "make docs   the documentation as a site (site/index.html)"
	@echo "make test-without-torch   the runtime in an environment that has no torch"
	@echo "make web    the engine as a web page (build/web) and as an npm package (web/package); needs emscripten and npm"
	@echo "make clean  remove environments and build products"

demo: $(VENV)/.installed-quant
	$(BIN)/intaglio demo

test: lint
	$(BIN)/python -m pytest -n $(WORKERS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Strict: a broken link or anchor, or a page outside of the navigation, is an error. Not with --quiet, which drops the
# warnings that are counted.
docs: export NO_MKDOCS_2_WARNING = 1
docs: $(VENV)/.installed-dev
	$(BIN)/python -m mkdocs build

test-without-torch: $(RUNTIME)/.installed
	$(RUNTIME)/bin/python tests/without_torch.py

# Any static server serves build/web: python3 -m http.server -d build/web
web: build/wasm/intaglio.wasm $(SHIPPED) web/node_modules/.package-lock.json
	cd web && npm run --silent build

build/wasm/intaglio.wasm: $(SOURCES) scripts/wasm.sh
	scripts/wasm.sh
	touch $@

# The page calls a network by the name of its file.
$(SHIPPED): src/intaglio/data/swinir_light_x2.safetensors | $(VENV)/.installed-quant
	mkdir -p $(@D)
	$(BIN)/intaglio quantize $< --bits 4 --effort quick --output $@

web/node_modules/.package-lock.json: web/package.json web/package-lock.json
	cd web && npm ci --silent
	touch $@

$(VENV)/.installed-quant: $(SOURCES) | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e '.[quant]'
	touch $@

$(VENV)/.installed-dev: export INTAGLIO_PROBE = ON
$(VENV)/.installed-dev: $(SOURCES) | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	touch $@ $(VENV)/.installed-quant

$(RUNTIME)/.installed: $(SOURCES) $(shell find src -name '*.py') | $(RUNTIME)/bin/python
	$(RUNTIME)/bin/python -m pip install --quiet .
	touch $@

$(BIN)/python $(RUNTIME)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "intaglio needs Python 3.11 or later, this is " + sys.version.split()[0] + "; try: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(patsubst %/bin/python,%,$@)

clean:
	rm -rf $(VENV) $(RUNTIME) build web/node_modules web/package/dist .pytest_cache .mypy_cache .ruff_cache .hypothesis demo-output site
