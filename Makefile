# Everything a person types here. `make dashboard` and `make test` work on a fresh Debian or Ubuntu
# machine with Python 3.11 or newer; the first run makes .venv, later ones only when pyproject.toml changed.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: dashboard lab test lint bench browser clean

dashboard: $(READY)          ## open the Explorer in a browser, no code in sight
	$(BIN)/lesionviz dashboard $(ARGS)

lab: $(READY)                ## open JupyterLab on the notebooks
	$(BIN)/jupyter lab --ip=127.0.0.1 --notebook-dir=notebooks $(ARGS)

# Half of the tests' time is waiting for browsers and kernels: a process for each core, which computes on one thread.
test: $(READY) lint browser  ## everything that must pass before a change lands
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=logical --maxprocesses=4 --dist=loadfile $(ARGS)
	$(BIN)/python -m pytest --nbval-lax --nbval-current-env notebooks dashboards

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

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
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	|| { echo "lesionviz needs Python 3.11 or newer; $(PYTHON) is older. Name another: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	|| { echo "Python's venv module is missing. Install it with: sudo apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -e '.[dev]'
	@touch $@
