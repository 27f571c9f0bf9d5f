# Two commands set everything up on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?= data/demo
STEPS_WARM ?= 120
STEPS ?= 180

.PHONY: demo test test-slow lint clean schemas golden docs

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

demo: $(VENV)/.installed
	$(BIN)/geovec-data build recipe=rsvg source=sample out=$(DATA)
	$(BIN)/geovec-train dataset=$(DATA) model=tiny steps=$(STEPS_WARM) out=runs/warm
	$(BIN)/geovec-data mine dataset=$(DATA) encoder=runs/warm run=demo
	$(BIN)/geovec-train dataset=$(DATA) model=runs/warm negatives=demo steps=$(STEPS) out=runs/demo
	$(BIN)/geovec-eval dataset=$(DATA) model=runs/demo
	$(BIN)/geovec-data report dataset=$(DATA) model=runs/demo
	@echo
	@echo "Open $(DATA)/report.html in a browser: the data, the mined negatives, the loss curve and the scores."

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	$(BIN)/python -m pytest -n 2 -m "not slow"

test-slow: $(VENV)/.installed
	$(BIN)/python -m pytest -n 2 -m slow

golden: $(VENV)/.installed
	$(BIN)/python -m tests.recipes.statistics

docs: $(VENV)/.installed
	$(BIN)/python -m geovec_data.recipe.docs docs/recipes.md

schemas: $(VENV)/.installed
	$(BIN)/python -m geovec_data.schema_files schemas

clean:
	rm -rf $(VENV) data runs
