# Needs make, Python 3.11 or newer and a package index; nothing else is installed outside of .venv.
# `make demo ARGS="--json demo.json"` and `make test ARGS="-k topics"` hand options on.

ARGS ?=
# Files of tests that run side by side, as many as a small machine has processors: most tests wait for brokers.
JOBS ?= 2
# How tests are dealt out: whole files, for what several tests of one share, or `worksteal`, for processes that end
# at the same time.
DIST ?= loadfile
SCHEDULES ?= 10000
# Batches flipped for the decoder alone, and starts of Apache Kafka whose logs hold a hundred flipped ones each.
FLIPS ?= 100000
ROUNDS ?= 10
# Set where `make test` has been run: `make check` and `make gate` then leave its tests out.
TESTED ?=
# Faults of the gate: each once, under both guarantees.
FAULTS ?= --minutes 7 --runs 1 --only 'kill -9 of a worker' --only 'two workers' --only SIGSTOP \
	--only 'kill -9 of the only broker'
BIN := .venv/bin
READY := .venv/.ready
RUNTIME := .venv/.runtime
QUALITY := .venv/.quality

# Compiled modules are kept in .venv, also where the machine says that Python shall write none (images of containers
# do): otherwise each of the hundreds of processes of the tests compiles again what it imports.
unexport PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX := $(CURDIR)/.venv/.pycache

.PHONY: help setup test prove prove-logs prove-faults prove-tests mutants bench pair quality lint types imports words docs docs-check check gate demo format lock clean

help:
	@echo "make demo   replay a year of real purchases and show what came out"
	@echo "make test   run all tests that can run here, and say which cannot and why"
	@echo "make prove  break things on Apache Kafka for an hour and more, and count what was lost or doubled"
	@echo "make mutants  put known faults into a copy of the engine, and see that a test notices each"
	@echo "make bench  measure the ledger by its parts, and ledger and service beside another commit's"
	@echo "make quality  set predictions beside baselines on the same pairs and labels; ARGS=--fast in ten minutes"
	@echo "make check  what to run before a commit, in minutes: lint, types, import rules, words, docs, quick tests"
	@echo "make gate   the rest of what CI asks for: Apache Kafka, whole services, faults under load, the demo"
	@echo "also: setup, lint, format, types, imports, docs, docs-check, lock, clean"

setup: $(READY)

# Again whenever the lock or the project's own description changes.
$(READY): requirements.lock pyproject.toml .ci/setup
	@.ci/setup

# Half of the bytes: without what only developers need.
$(RUNTIME): requirements.lock pyproject.toml .ci/setup
	@.ci/setup runtime

demo: $(RUNTIME)
	@$(BIN)/cartpulse demo $(ARGS)

test: setup
	$(BIN)/python -m pytest -n $(JOBS) --dist $(DIST) $(ARGS)

# First without a broker, in virtual time, then record batches with flipped bits, then the tests that are too long
# for every day, then faults under real purchases.
prove: setup
	@$(BIN)/python -m tests.verification.simulation --schedules $(SCHEDULES)
	@$(MAKE) prove-logs prove-tests prove-faults

prove-logs: setup
	@$(BIN)/python -m tests.verification.fuzz --flips $(FLIPS) --rounds $(ROUNDS)

prove-tests: setup
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m prove

prove-faults: setup
	@$(BIN)/python -m tests.verification.proof $(ARGS)

# `make mutants ARGS=models`: faults that a tool makes in the rules of what counts.
mutants: setup
	@$(BIN)/python -m tests.verification.mutations $(ARGS)

# Without a broker of its own and in minutes: what to run before every commit.
check: lint types imports words docs-check
	@[ -n "$(TESTED)" ] || $(MAKE) test DIST=worksteal \
		ARGS="-m 'not end_to_end and not kafka and not prove' $(ARGS)"

# The rest of what CI asks for: Apache Kafka and whole services, flipped bits, faults under load, the demo.
gate: setup
	@[ -n "$(TESTED)" ] || $(MAKE) test ARGS="-m '(end_to_end or kafka) and not prove' $(ARGS)"
	@$(MAKE) prove-logs FLIPS=10000 ROUNDS=0
	@$(MAKE) prove-faults ARGS="$(FAULTS)"
	@$(MAKE) pair
	@$(MAKE) demo ARGS="--days 30 --latency-seconds 3"

# Speed of the ledger and of the service beside another commit's: `make bench ARGS="pair --rev main"`.
bench: setup
	@$(BIN)/python -m benchmarks.speed $(ARGS)

# Ten days of events and rows, byte for byte those of the commit that `benchmarks/speed/equal_to` names. A change that
# means to alter them writes `none` there, and the next change names its commit.
pair: setup
	@commit=$$(cat benchmarks/speed/equal_to); \
	if [ "$$commit" = none ]; then echo "events and rows change here on purpose: nothing to compare with"; \
	elif git cat-file -e "$$commit^{commit}" 2>/dev/null; then $(BIN)/python -m benchmarks.speed pair --rev "$$commit"; \
	else echo "NOT COMPARED: commit $$commit is not in this repository (a shallow clone?)"; fi

# Predictions beside baselines: `make quality ARGS="--fast A1 B2"`. The learners of the baselines have a lock of their own.
quality: $(QUALITY)
	@$(BIN)/python -m benchmarks.quality $(ARGS)

$(QUALITY): benchmarks/quality/requirements.lock | $(READY)
	@UV_CACHE_DIR="$${UV_CACHE_DIR:-$(CURDIR)/.venv/.cache}" $(BIN)/uv pip install --quiet --python $(BIN)/python \
		--require-hashes --requirement $<
	@touch $@

words: setup
	$(BIN)/python -m tools.words --most 2

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# pyright reads what a user would write against the public face; its Node.js comes from the lock.
types: setup
	$(BIN)/mypy
	$(BIN)/pyright

imports: setup
	$(BIN)/lint-imports

docs: setup
	$(BIN)/python -m tools.contracts
	$(BIN)/python -m tools.settings_table

docs-check: setup
	$(BIN)/python -m tools.contracts --check
	$(BIN)/python -m tools.settings_table --check
	$(BIN)/python -m tools.links

# For all platforms and all supported versions of Python, with hashes, naming no host.
lock: setup
	$(BIN)/uv pip compile --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header --extra dev --quiet --output-file requirements.lock pyproject.toml
	$(BIN)/uv pip compile --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header --constraint requirements.lock --group quality --quiet \
		--output-file benchmarks/quality/requirements.lock

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
