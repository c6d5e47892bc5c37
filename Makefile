# Everything a person types here. `make dashboard` and `make test` work on a fresh Debian or Ubuntu
# machine with Python 3.11 or newer; the first run makes .venv, later ones only when pyproject.toml changed.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
OLDEST_PYTHON ?= python3.11
OLDEST := .venv-oldest

# Half of the tests' time is waiting for browsers and kernels: a process more than there are cores, each computing on one
# thread. The tests of a file stay together, so that its server, kernel and page are started once; the longest come first.
PROCESSES := $(shell cores=$$(getconf _NPROCESSORS_ONLN || echo 2); echo $$((cores < 4 ? cores + 1 : 4)))
TESTS := env OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=$(PROCESSES) --dist=loadfile --no-loadscope-reorder
# The notebooks' plugin takes a second to load, in each process.
PYTEST := $(TESTS) -p no:nbval
# Notebooks are tested on what is drawn: with real images they train for hours.
NBVAL := env -u LESIONVIZ_DATA $(TESTS) --nbval-lax --nbval-current-env
# The tests without any mark; the others wait for browsers, build wheels, or compute for long.
PLAIN := not browser and not wheel and not heavy and not slow

.PHONY: dashboard lab quick test test-all test-oldest lint types-js docs figures release-check bench browser clean

dashboard: $(READY)          ## open the Explorer in a browser, no code in sight
	$(BIN)/lesionviz dashboard $(ARGS)

# From the top folder, so that links from the notebooks to other pages lead somewhere. A notebook runs in its own folder:
# the path of a collection is made absolute, as it is meant from here.
lab: $(READY)                ## open JupyterLab on the notebooks
	@if [ -n "$$LESIONVIZ_DATA" ]; then LESIONVIZ_DATA=$$(realpath "$$LESIONVIZ_DATA") || exit; fi; \
	$(BIN)/jupyter lab --ip=127.0.0.1 --notebook-dir=. --LabApp.default_url=/lab/tree/notebooks $(ARGS)

# --- three doors, each with the time that it may take on two idle cores; see tests/README.md ---

quick: $(READY) lint         ## 90 s: lint, types, and every test that needs no browser, no wheel and no training
	$(PYTEST) --dist=worksteal -m "$(PLAIN)" $(ARGS)

test: $(READY) lint browser  ## 10 min: what must pass before a change lands
	$(PYTEST) -m "not slow" $(ARGS)
	$(NBVAL) dashboards

test-all: $(READY) lint browser  ## 25 min: that, faults, load, every notebook; real images in LESIONVIZ_DATA
	$(PYTEST) $(ARGS)
	$(NBVAL) notebooks dashboards

test-oldest: $(OLDEST)/.ready browser  ## the lowest versions that pyproject.toml allows; what hangs on them, and one look
	$(subst $(BIN),$(OLDEST)/bin,$(PYTEST)) -m "not browser and not slow and not once"
	$(subst $(BIN),$(OLDEST)/bin,$(PYTEST)) --dist=worksteal tests/test_explorer_browser.py -k test_upload_read_the_diagnosis

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@if [ -x $(BIN)/oxlint ]; then $(BIN)/oxlint --deny-warnings lesionviz; \
	 else echo "oxlint has no wheel for this machine: the JavaScript was not linted"; fi

types-js:                    ## the types of the JavaScript; needs Node, so CI runs it and no door does
	@$(PYTHON) tests/script_types.py

docs: $(READY)               ## an API reference from the docstrings, in build/docs
	$(BIN)/python tests/api_reference.py build/docs

figures: $(READY)            ## recompute every printed figure that needs no data; name those that differ
	$(BIN)/python tests/figures.py

release-check: $(READY)      ## build wheel and source distribution, check them, and look into them
	rm -rf dist
	$(BIN)/python -m build --outdir dist .
	$(BIN)/twine check --strict dist/*
	$(BIN)/python -m pytest tests/test_packaging.py -m "wheel or not wheel" $(ARGS)

bench: $(READY) browser      ## agreement and speed against peers, and the Explorer against its limits
	$(BIN)/pip install --quiet -e '.[bench]'
	$(BIN)/python -m pytest tests/benchmarks
	$(BIN)/python tests/benchmarks/explanation_speed.py $(ARGS)
	$(BIN)/python tests/benchmarks/explorer_speed.py

# The browser tests drive Debian's Chromium. Without root it is left to the person: the tests then skip and say so.
browser:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null \
	|| if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; \
	   then apt-get update -q && apt-get install -y -q --no-install-recommends chromium; \
	   else echo "Chromium is missing, browser tests will be skipped. Install it with: sudo apt-get install chromium"; fi

clean:                       ## remove what make made
	rm -rf $(VENV) $(OLDEST) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	|| { echo "lesionviz needs Python 3.11 or newer; $(PYTHON) is older. Name another: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	|| { echo "Python's venv module is missing. Install it with: sudo apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -e '.[dev]'
	@touch $@

$(OLDEST)/.ready: pyproject.toml tests/lowest_versions.py
	@$(OLDEST_PYTHON) -c 'import ensurepip, venv' \
	|| { echo "The oldest versions need $(OLDEST_PYTHON) with its venv module. Name another: make OLDEST_PYTHON=..."; exit 1; }
	$(OLDEST_PYTHON) -m venv --clear $(OLDEST)
	$(OLDEST_PYTHON) tests/lowest_versions.py > $(OLDEST)/constraints.txt
	$(OLDEST)/bin/pip install --quiet --constraint $(OLDEST)/constraints.txt -e '.[dev]'
	@touch $@
