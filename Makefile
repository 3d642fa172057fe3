# Every target sets up what it needs. `make run` starts the product, `make test` passes the tests.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
ARGS   ?=

# Compiled modules are kept, whatever a container says: a program that compiles itself at each start takes three times as long.
unexport PYTHONDONTWRITEBYTECODE

# Every supported Python on this machine, the default one first: the tests run on each.
OTHERS := $(shell for minor in 11 12 13 14; do \
	for python in python3.$$minor $$HOME/.pyenv/versions/3.$$minor.*/bin/python; do \
	if $$python -c 'import sys, venv; sys.exit(sys.version_info[1] == '"$$($(PYTHON) -c 'import sys; print(sys.version_info[1])')"')' 2>/dev/null; \
	then echo $$python; break; fi; done; done)

# In a loop over them.
its_venv = venv=.venv-$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])')

.PHONY: run test test-others others check demo bench bench-throughput bench-latency mutants year faults long clean

run: $(VENV)/ready
	@$(BIN)/tactful dev --at next-14:00 $(ARGS)

test: $(VENV)/ready test-others
	@$(BIN)/python -m pytest -q -n 3 --dist loadgroup

# The other Pythons run what depends on the Python: everything but whole servers, kills, scripts of any length, rendering in a process of
# its own and the system around us.
test-others: $(VENV)/ready others
	@for python in $(OTHERS); do \
		$(its_venv); \
		echo "== $$($$python --version)"; \
		test -f $$venv/ready || { echo "$$venv could not be set up"; exit 1; }; \
		$$venv/bin/python -m pytest -q -n 2 --dist loadgroup -m "not surroundings and not long" \
			--ignore tests/e2e --ignore tests/faults --ignore tests/adversary --ignore tests/dispatch/test_scripts.py \
			--ignore tests/dispatch/test_content_process.py --ignore tests/workbench/test_processes.py \
			--hypothesis-profile brief || exit 1; \
	done

others:
	@for python in $(OTHERS); do \
		$(its_venv); \
		test -f $$venv/ready || { $$python -m venv $$venv && $(call install,$$venv) && touch $$venv/ready; } & \
	done; wait

check: $(VENV)/ready
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

demo: $(VENV)/ready
	@$(BIN)/tactful demo $(ARGS)

# Those of truth and those beside peers need what does not ship: see their docstrings.
bench: $(VENV)/ready
	@for program in $(filter-out benchmarks/truth% benchmarks/peers% benchmarks/replaying.py,$(wildcard benchmarks/*.py)); do echo "== $$program"; $(BIN)/python $$program || exit 1; done

# Beside other stream processors, which do not ship: see benchmarks/peers_throughput.py.
PEERS ?= ../shared/peers
WORK  ?= /tmp/tactful-peers
bench-throughput bench-latency: bench-%: $(VENV)/ready
	@$(BIN)/python benchmarks/peers_$*.py --peers $(PEERS) --work $(WORK) $(ARGS)

mutants: $(VENV)/ready
	@$(BIN)/python tests/mutants.py

# Every fault, those that take minutes too. `make faults SECONDS=3600`: a fault every 15 s over three brokers, for an hour.
faults: $(VENV)/ready
ifdef SECONDS
	@$(BIN)/python tests/support/nemesis.py $(SECONDS) $(ARGS)
else
	@$(BIN)/python -m pytest -q -n 2 --dist loadgroup -m "long or not long" tests/faults $(ARGS)
endif

long: $(VENV)/ready
	@$(BIN)/python -m pytest -q -n 2 --dist loadgroup -m long $(ARGS)

# A simulated year of 20,000 customers under fault: about a quarter of an hour.
year: $(VENV)/ready
	@$(BIN)/python tests/support/year_promises.py $(ARGS)

clean:
	rm -rf .venv .venv-* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist

# Hash-pinned packages first, then this project itself, without looking anything up.
# Modules are compiled when they are first used: most never are.
define install
	$(1)/bin/python -m pip install -q --disable-pip-version-check --no-compile --require-hashes -r requirements.lock && \
	$(1)/bin/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
endef

$(VENV)/ready: requirements.lock pyproject.toml
	@echo "setting up in $(VENV) (once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(call install,$(VENV))
	@touch $@
