PYTHON := .venv/bin/python

# Words to pass on: make run ARGS=my-run.h5, make test ARGS="-k fourier"
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup run test torture lint system-libs clean FORCE

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/.stamp ## make .venv with the exact versions of constraints.txt

run: setup system-libs ## open the window
	$(PYTHON) main.py $(ARGS)

test: setup system-libs ## run the tests; needs no display
	QT_QPA_PLATFORM=offscreen $(PYTHON) -m pytest -q -n auto --dist loadfile $(ARGS)

torture: setup system-libs ## run the slow tests that kill, fill and damage
	QT_QPA_PLATFORM=offscreen $(PYTHON) -m pytest -q tests/torture --torture $(ARGS)

lint: setup ## check style and types
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m mypy --strict app engine

system-libs: setup ## check the libraries Qt needs from the system
	@.ci/system-libs $(PYTHON)

clean: ## remove everything make made
	rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache
	find app engine tests main.py -name __pycache__ -prune -exec rm -rf {} +

# The stamp is written last, so its absence means a set-up that never finished: begin again from nothing,
# as when the Python beneath has gone. Where the package source offers only the CUDA build of torch, as on
# most Linux machines, this downloads several GB; either build works.
.venv/.stamp: pyproject.toml constraints.txt $(shell test -x $(PYTHON) || echo FORCE)
	@test -f $@ -a -x $(PYTHON) || { python=$$(.ci/find-python) && $$python -m venv --clear .venv; }
	@rm -f $@
	$(PYTHON) -m pip install --disable-pip-version-check -e '.[dev]' -c constraints.txt
	$(PYTHON) -m compileall -q main.py app engine
	$(PYTHON) -c 'from engine.compilation import compile_kernels; compile_kernels()'
	@touch $@
