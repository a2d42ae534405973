# Poststelle. `make run` starts it, `make test` proves it; `make help` lists the rest.
SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.NOTPARALLEL:

PYTHON ?= python3
BIN := .venv/bin
FLASK := $(BIN)/flask --app app
# Tests that wait for servers leave room for others: a worker more than there are cores.
WORKERS ?= 3
# A file's tests stay together, since journeys build on each other; files in the order of tests/conftest.py.
SHARED := -n $(WORKERS) --dist loadfile --no-loadscope-reorder
# What `make test` runs; all when it is empty.
TESTS ?=
# English needs no catalogue: the texts in the code are English.
LANGUAGES := de
CATALOGUES := $(wildcard translations/*/LC_MESSAGES/messages.po)
# The tests that touch the database; `make check` runs them once more on PostgreSQL, but those marked one_database.
DATABASE_TESTS := $(wildcard tests/desk tests/models tests/blueprints tests/jobs tests/cli)

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | \
	  while IFS='|' read -r name text; do printf '  make %-14s %s\n' "$$name" "$$text"; done

.PHONY: run
run: python assets translations ## Prepare everything and start Poststelle on http://127.0.0.1:8080
	@exec $(FLASK) serve  # it brings the database up to date first

.PHONY: setup
setup: python assets translations ## Prepare everything without starting
	@$(FLASK) db upgrade

# --- what `setup` consists of; each step does nothing when nothing has changed ---

.PHONY: python
python:
	@PYTHON="$(PYTHON)" .ci/python requirements.txt

.PHONY: python-dev
python-dev:
	@PYTHON="$(PYTHON)" .ci/python requirements.txt requirements-dev.txt

.PHONY: assets
assets: python
	@.ci/assets

.PHONY: assets-needed
assets-needed: python
	@.ci/assets needed

.PHONY: translations
translations: python $(CATALOGUES:.po=.mo) ## Compile the translations

%.mo: %.po
	@$(BIN)/pybabel -q compile -i $< -o $@

# --- working on it ---

.PHONY: messages
messages: python-dev ## Collect the texts of code and templates into the catalogues
	@mkdir -p .cache
	@$(BIN)/pybabel -q extract -F babel.cfg --ignore-dirs='.* __pycache__' -k _l -k lazy_gettext -k lazy_ngettext:1,2 -k lazy_pgettext:1c,2 \
	  --add-location=file --sort-by-file --no-wrap --project=Poststelle -o .cache/messages.pot .
	@for language in $(LANGUAGES); do \
	  po=translations/$$language/LC_MESSAGES/messages.po; \
	  [ -e $$po ] || $(BIN)/pybabel -q init -i .cache/messages.pot -o $$po -l $$language --no-wrap || exit 1; \
	  $(BIN)/pybabel -q update -i .cache/messages.pot -o $$po -l $$language --no-wrap \
	    --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date && \
	  $(BIN)/pybabel compile --statistics -i $$po -o $${po%.po}.mo || exit 1; \
	done

.PHONY: requirements
requirements: ## Write requirements*.txt anew from requirements*.in, with all hashes; UPGRADE=1 takes what is newest
	@PYTHON="$(PYTHON)" .ci/requirements

.PHONY: audit
audit: ## Ask for known faults of the Python and browser packages; fails when nobody can be asked
	@PYTHON="$(PYTHON)" .ci/audit

.PHONY: pictures
pictures: test-needs ## Take the pictures of the documentation anew
	$(BIN)/python docs/take_pictures.py
	$(BIN)/python docs/take_mail_pictures.py

.PHONY: rooms
rooms: python-dev ## Draw the rooms of the code from its imports
	@PYTHONPATH=. $(BIN)/python docs/draw_rooms.py

.PHONY: test-needs
test-needs: python-dev assets-needed translations
	@.ci/debian chromium=chromium playwright=libatomic1 dovecot=dovecot-imapd,dovecot-pop3d strace=strace

.PHONY: test
test: test-needs ## Install what tests need and run them (SQLite); TESTS=tests/mail runs a part
	$(BIN)/pytest -q $(SHARED) $(TESTS)

.PHONY: fresh-proof
fresh-proof: ## Prove `make run` and `make test` in a bare Debian, as root: RELEASE=trixie, PROOF_TESTS=tests/mail
	@.ci/debian debootstrap=debootstrap
	@.ci/fresh-proof

.PHONY: neighbours
neighbours: python-dev translations ## Real mail servers of a Debian, each in a root of its own, hand over and are fetched; as root (twenty minutes)
	@.ci/debian debootstrap=debootstrap
	@$(BIN)/python -m tests.support.neighbours

.PHONY: crash
crash: test-needs ## Kill the process hundreds of times while mail comes in and leaves: nothing lost, nothing doubled (half an hour)
	@.ci/debian postgres=postgresql
	POSTSTELLE_LONG=1 $(BIN)/pytest -s tests/jobs/test_kill.py -k again
	POSTSTELLE_LONG=1 $(BIN)/python -m tests.servers.postgres $(BIN)/pytest -s tests/jobs/test_kill.py -k again
	POSTSTELLE_LONG=1 $(BIN)/pytest -s tests/jobs/test_disk_and_lock.py

.PHONY: two-processes
two-processes: test-needs ## Three processes at one mailbox of 2,000 mails, three times: nothing lost, nothing doubled
	POSTSTELLE_LONG=1 $(BIN)/pytest -s tests/jobs/test_one_mailbox.py

.PHONY: flood
flood: test-needs ## 2,000 strangers in a simulated hour: an answer leaves in time, and the brake is told (some minutes)
	POSTSTELLE_LONG=1 $(BIN)/pytest -q -s tests/jobs/test_flood.py

.PHONY: loops
loops: python-dev ## Robots, bouncing addresses and two installs that answer each other, 1,000 rounds each (some minutes)
	$(BIN)/python -m tests.support.loops

.PHONY: realmail
realmail: python-dev ## Send collections of real mail through the receiver and compare: make realmail MAILS=folder
	@$(BIN)/python -m tests.support.realmail "$(MAILS)"

.PHONY: answers
answers: python-dev ## 2,500 answers between our lines, as programs write them: nothing of one is hidden. MAILS=folder lends bodies
	@$(BIN)/python -m tests.support.answers "$(MAILS)"

.PHONY: hostile
hostile: python-dev ## Mails built to crash or stall, through the receiver, a hundred good ones behind them
	@$(BIN)/python -m tests.support.hostile_run

.PHONY: fuzz
fuzz: python-dev ## 20,000 mutations of our mails, or of those below MAILS=folder, are read
	@$(BIN)/python -m tests.support.fuzz "$(MAILS)" 20000 $(SEED)

.PHONY: check
check: test-needs lint ## Everything that must hold: style, types, arrows, tests on SQLite and PostgreSQL
	$(BIN)/pytest -q $(SHARED)
	@$(MAKE) test-postgres

.PHONY: lint
lint: python-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(BIN)/djlint --lint --quiet templates

.PHONY: test-postgres
test-postgres: python-dev translations ## Run the tests that touch the database on a private PostgreSQL
	@.ci/debian postgres=postgresql
	$(BIN)/python -m tests.servers.postgres $(BIN)/pytest -q $(SHARED) -m "not one_database" $(DATABASE_TESTS)

.PHONY: format
format: python-dev ## Format the code
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

.PHONY: bench
bench: test-needs ## Measure start, idle memory, and how fast mail is taken in beside bare limits
	@$(BIN)/python bench/start.py
	@$(BIN)/python bench/ingest.py
	@$(BIN)/python bench/replies.py
	@$(BIN)/python bench/arrival.py

.PHONY: bench-trees
bench-trees: python ## CPU time and statements per mail and page beside another checkout: make bench-trees OLD=folder
	@$(BIN)/python bench/trees.py "$(OLD)" .

.PHONY: bench-ledger
bench-ledger: python ## Measure the mail ledger with half a million rows
	@$(BIN)/python -m bench.ledger

.PHONY: bench-channels
bench-channels: test-needs ## Five connection tests at once beside pages; 300 channels: list, form, fetches, threads
	@$(BIN)/python bench/connection_tests.py
	@$(BIN)/python bench/channels.py

.PHONY: bench-large
bench-large: test-needs ## Connect a mailbox with 100,000 mails: first ticket, memory, the other channels
	@$(BIN)/python bench/large_mailbox.py
	@$(BIN)/python bench/large_mailbox.py --read 1

.PHONY: clean
clean: ## Remove everything that make has built; the data folder stays
	rm -rf .venv .cache static/vendor .pytest_cache .mypy_cache .ruff_cache \
	  .import_linter_cache .hypothesis tests/failures $(CATALOGUES:.po=.mo)
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
