# Each verb sets up .venv by itself; a stamp file makes the second time quick.
# Needs: Python 3.11 or later, make, git. `make demo PYTHON=/path/to/python` chooses another Python.

PYTHON ?= $(shell for python in python3.11 python3 python3.14 python3.13 python3.12; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)

BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
INSTALL := $(PIP) install --constraint constraints.txt
PLUGIN := .venv/trio-typing
# A process per core; `make test PARALLEL=` is one, whose output comes as it goes.
PARALLEL ?= -n auto --dist loadgroup
FUZZ ?= frames answer proxy address goodbye
FUZZ_SECONDS ?= 60
WHEEL_TESTS ?= tests/_wire tests/fuzz tests/events tests/test_delivery.py tests/test_events_table.py
# They go through the same lines thousands of times, or through those of others once more, or through none in a
# process that is traced; `make test` runs them.
UNTRACED := $(addprefix --ignore tests/,_wire/test_oracles.py autobahn interop security/test_flood.py \
	test_backpressure.py test_build.py test_cancellation.py test_coming_from.py test_cycles.py test_examples.py \
	test_fairness.py test_faults.py test_floors.py test_generated_tables.py test_hot_loops.py test_soak.py \
	test_tutorial.py testing/test_fixtures.py)
# Each verb's output in one piece, where make can do that (4.0 and later).
TOGETHER := $(if $(filter output-sync,$(.FEATURES)),--output-sync=recurse)
SOURCES := $(wildcard trio_ohws tests benchmarks)
# What a module has that may go against the rules for asynchronous code.
ASYNC := \b(async|await|trio|Cancelled|BaseException)\b|except:

# The wheel is compiled, or not made: TRIO_OHWS_COMPILE=0 is for where there is no compiler.
export TRIO_OHWS_COMPILE ?= 1
WHEEL := .venv/wheel-$(if $(filter 0,$(TRIO_OHWS_COMPILE)),pure,compiled)
AS_INSTALLED := PYTHONSAFEPATH=1 PYTHONPATH=$(CURDIR)/$(WHEEL)

.PHONY: help demo test check wheel lint types plugin-types coverage docs screens bench soak autobahn fuzz clean

help:
	@echo "make demo      the API document's example against an embedded server"
	@echo "make test      the test suite"
	@echo "make check     lint, formatting, types, the wheel, coverage, docs"
	@echo "make docs      the documentation, into docs/_build/html"
	@echo "make screens   the docs' pictures of the command line, anew"
	@echo "make bench     us and the peers, side by side: BENCH='--list' shows how to choose"
	@echo "make soak      many connections and messages, for minutes: does anything grow? SOAK='--scale 0.01' is short"
	@echo "make autobahn  Autobahn's fuzzing server, what the gate runs of it: AUTOBAHN='--publish all' runs all"
	@echo "make fuzz      coverage-guided fuzzing of all parsers, FUZZ_SECONDS=60 each: FUZZ='frames' chooses"

demo: .venv/installed
	$(BIN)/python -m trio_ohws demo $(DEMO)

test: .venv/installed-check
	$(BIN)/pytest $(PARALLEL) $(TESTS)

# What only reads goes side by side; what is timed has the machine for itself.
check: .venv/installed-check .venv/installed-docs $(PLUGIN)/installed
	$(MAKE) --jobs=2 $(TOGETHER) lint types plugin-types docs
	$(MAKE) wheel coverage

# The wheel, away from the source tree: whatever goes through the loop that is compiled there.
wheel: .venv/installed-check $(WHEEL)
	TRIO_OHWS_TESTS=wheel $(AS_INSTALLED) $(BIN)/pytest $(PARALLEL) $(WHEEL_TESTS)

lint: .venv/installed-check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	grep --recursive --include='*.py' --files-with-matches --null -E '$(ASYNC)' $(SOURCES) \
		| xargs -0 -n 16 -P 4 $(BIN)/flake8-async # a slow reader

types: .venv/installed-check
	$(BIN)/mypy $(SOURCES)
	PATH="$(CURDIR)/$(BIN):$$PATH" pyright --verifytypes trio_ohws --ignoreexternal # it asks PATH for a python

plugin-types: $(PLUGIN)/installed
	$(PLUGIN)/bin/mypy --config-file tests/types/trio_typing.ini --cache-dir $(PLUGIN)/cache

coverage: .venv/installed-check
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(PARALLEL) $(UNTRACED) $(TESTS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

docs: .venv/installed-docs
	$(BIN)/sphinx-build --nitpicky --fail-on-warning --keep-going -q docs docs/_build/html
	$(BIN)/sphinx-build --fail-on-warning -q -b doctest docs docs/_build/doctest

screens: .venv/installed-check
	PYTHONPATH=. $(BIN)/python docs/screens.py

# What is installed is what is measured, as it is with the peers: compiled, and not the source tree.
bench: .venv/installed-bench $(WHEEL)
	$(AS_INSTALLED) $(BIN)/python -m benchmarks $(BENCH)

soak: .venv/installed-bench $(WHEEL)
	$(AS_INSTALLED) $(BIN)/python -m benchmarks.soak $(SOAK)

autobahn: .venv/installed-check
	$(BIN)/python -m tests.autobahn.run $(AUTOBAHN)

fuzz: .venv/installed-fuzz
	for target in $(FUZZ); do \
		$(BIN)/python -m tests.fuzz $$target -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 || exit 1; \
	done

clean:
	rm -rf .venv docs/_build .coverage .coverage.* .fuzz .hypothesis .mypy_cache .pytest_cache .ruff_cache

.venv/pip: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" && "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo "trio_ohws needs Python 3.11 or later: none was found (make PYTHON=/path/to/python3.11)" >&2; exit 1; }
	test -x $(BIN)/python || "$(PYTHON)" -m venv .venv
	$(INSTALL) 'pip>=25.1'
	@touch $@

.venv/installed: .venv/pip
	$(INSTALL) --editable '.[cli]'
	@touch $@

.venv/installed-%: .venv/installed
	$(INSTALL) --group $*
	@touch $@

# The wheel, unpacked where AS_INSTALLED finds it before the source tree.
$(WHEEL): .venv/installed pyproject.toml hatch_build.py $(shell find trio_ohws -name '*.py')
	rm -rf $@
	$(PIP) install --no-deps --target $@ .

# trio-typing brings stubs that shadow trio's own types, and a mypy of its time: not beside ours.
$(PLUGIN)/installed: .venv/pip
	$(BIN)/python -m venv --without-pip $(PLUGIN)
	grep -v '^mypy==' constraints.txt >$(PLUGIN)/constraints.txt
	$(PIP) --python $(PLUGIN) install --constraint $(PLUGIN)/constraints.txt --editable '.[typing]'
	@touch $@
