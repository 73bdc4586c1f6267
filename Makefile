# The two commands of a learner are `make lab` and `make test`. The rest is for maintainers.
# tools/course.py does the work, so that Windows and conda go the same way.
#
#   make lab PORT=8899                    another port
#   make lab LAB_FLAGS=--ip=0.0.0.0       any flags of JupyterLab (this one: open to other computers)
#   make lab PYTHON=python3.12            another Python, 3.11 to 3.14
#   make notebooks NOTEBOOKS=05           only the notebooks whose names begin so
#   make reference ROWS="R05 B12"         only these rows, shown and not written
#   make bench PARTS="panels growth"      only these parts of the page
#   make pins UPGRADE=1                   the newest versions
#   make wheels FOR="windows 3.12"        the packages for another computer and its Python

PYTHON ?= python3
PORT ?=
LAB_FLAGS ?=
NOTEBOOKS ?=
ROWS ?=
PARTS ?=
UPGRADE ?=
FOR ?=

.PHONY: lab test test-all repetitions setup bundle wheels slides site release check-links notebooks datasets bench load audit-rates reference picture pins versions lint

lab:
	@$(PYTHON) tools/course.py lab $(if $(PORT),--port=$(PORT)) $(LAB_FLAGS)

test:
	@$(PYTHON) tools/course.py test

test-all:
	@$(PYTHON) tools/course.py test-all

repetitions:
	@$(PYTHON) tools/course.py repetitions

setup:
	@$(PYTHON) tools/course.py setup

wheels:
	@$(PYTHON) tools/course.py wheels $(FOR)

slides: setup
	@.venv/bin/python tools/slides.py

site: setup
	@.venv/bin/python tools/website.py

release: setup
	@.venv/bin/python tools/release.py

check-links: setup
	@.venv/bin/python tools/links.py

notebooks: setup
	@.venv/bin/python tools/notebooks.py $(NOTEBOOKS)

datasets: setup
	@.venv/bin/python tools/make_datasets.py

bench: setup
	@.venv/bin/python tools/benchmark.py $(PARTS)

load: setup
	@.venv/bin/python tools/load.py

audit-rates: setup
	@.venv/bin/python tools/audit_rates.py

reference: setup
	@.venv/bin/python tools/proof.py $(ROWS)

picture: setup
	@.venv/bin/python tools/readme_picture.py

bundle: setup
	@.venv/bin/python tools/bundle.py

pins:
	@$(PYTHON) tools/pins.py $(UPGRADE)

versions:
	@$(PYTHON) tools/versions.py

lint: setup
	@.venv/bin/python -m ruff check .
