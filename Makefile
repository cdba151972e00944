# Deep Learning, Twice. `make` alone prints the targets. Each one makes .venv and installs what it needs the first time.
PYTHON ?= python3
PORT ?= 8000
CH ?= 04

BIN := .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
PY := $(BIN)/python
BOOK_ENV := .venv/.book-installed
FULL_ENV := .venv/.everything-installed
SITE := _build/html

.DEFAULT_GOAL := help
.NOTPARALLEL: # the steps share one environment and one _build
.PHONY: help book serve lab grade test check lint sync notebooks exercises unit nbval bench clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# -- reading and learning ------------------------------------------------------------------------------
book: $(BOOK_ENV) ## build the HTML site from the stored outputs (no torch, no execution)
	@# After an unfinished build nothing of it is trusted: Sphinx would keep a half-written page, or hide a warning.
	@test ! -e _build/.unfinished || rm -rf $(SITE) _build/.doctrees
	@mkdir -p _build && touch _build/.unfinished
	$(BIN)/jupyter-book build . -q -W -n --keep-going
	@rm _build/.unfinished
	@echo "The book: $(SITE)/index.html (open it in a browser, or type: make serve)"

serve: book ## build the site and serve it at http://localhost:8000 (PORT=8000)
	$(PY) -m http.server --bind 127.0.0.1 --directory $(SITE) $(PORT)

lab: $(FULL_ENV) ## open a chapter in JupyterLab (CH=04)
	@test -n "$(wildcard notebooks/$(CH)_*.ipynb)" || { echo "no chapter $(CH) in notebooks/; try CH=04"; exit 1; }
	$(BIN)/jupyter trust notebooks/*.ipynb
	$(BIN)/jupyter lab --LabApp.news_url=None \
	  --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate $(wildcard notebooks/$(CH)_*.ipynb)

grade: $(FULL_ENV) ## score your exercises of a chapter (CH=04)
	$(BIN)/dltwice grade $(CH)

# -- writing -------------------------------------------------------------------------------------------
notebooks: $(FULL_ENV) ## re-execute the chapters whose source changed
	$(PY) -m dltwice.authoring.notebooks

exercises: $(FULL_ENV) ## regenerate exercises/ from solutions/
	$(PY) -m dltwice.authoring.exercises

# -- testing -------------------------------------------------------------------------------------------
test: book unit nbval ## the whole test suite: package, notebooks, built site in a browser

check: lint sync test ## everything that CI runs

lint: $(FULL_ENV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

sync: $(FULL_ENV)
	$(PY) -m dltwice.authoring.notebooks --check
	$(PY) -m dltwice.authoring.exercises --check

unit: $(FULL_ENV) book
	$(PY) -m pytest

nbval: $(FULL_ENV)
	$(PY) -m pytest --nbval --nbval-current-env -p dltwice.authoring.budget notebooks

bench: $(FULL_ENV) ## time NumPy against PyTorch, and the grader against nbgrader, side by side
	$(PY) benchmarks/bench_mlp.py
	$(PY) benchmarks/bench_conv.py
	$(PY) benchmarks/bench_pool.py
	$(PY) benchmarks/bench_cnn.py
	$(PY) benchmarks/bench_grading.py

clean: ## remove the built site and the environment
	rm -rf _build .venv

# -- environment ---------------------------------------------------------------------------------------
# A stamp is written last, so that an aborted step is taken up again.
.venv/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

$(BOOK_ENV): requirements-book.txt constraints.txt pyproject.toml | .venv/.created
	$(PY) -m pip install --quiet -r requirements-book.txt
	@touch $@

$(FULL_ENV): requirements.txt requirements-book.txt constraints.txt pyproject.toml | .venv/.created
	$(PY) -m pip install --quiet -r requirements.txt
	@touch $(BOOK_ENV) $@
