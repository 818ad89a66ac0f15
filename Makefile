# Everything a maintainer runs, and CI with them. `make` alone lists the targets.
# Versions of tools are pinned in requirements/dev.txt; what a target needs it installs once, into .venv and .envs.

PYTHON ?= python3
BIN := .venv/bin
SDK := layer_sdk generated/layer_api
TWO := -n 2 --dist loadfile # tests wait much; more processes than two would be in the way of those with a time limit

.PHONY: help demo test check generate check-generated fuzz compat keycloak test-keycloak test-openai test-openai-deep \
  test-frameworks test-browser test-long matrix chaos bench bench-quick bench-guard bench-budgets clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 24

demo: .venv/demo ## record conversations in an embedded Layer, and show them on its page until Ctrl-C
	$(BIN)/python scripts/demo.py

test: .venv/dev ## run the test suite, in two processes
	$(BIN)/python -m pytest $(TWO)

check: .venv/dev ## lint, types, layers, dead code, spelling, the contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/vermin --quiet --no-tips --backport typing_extensions -t=3.8- --violations $(SDK)
	$(BIN)/vulture
	$(BIN)/codespell
	$(BIN)/openapi-spec-validator openapi.yaml
	REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true $(BIN)/node .envs/node/node_modules/.bin/redocly lint

generate: .venv/dev ## generate generated/layer_api from openapi.yaml
	$(BIN)/python scripts/generate.py

check-generated: .venv/dev ## fail where generated/layer_api is not what `make generate` makes
	$(BIN)/python scripts/generate.py --check

fuzz: .venv/dev ## let Schemathesis loose on the embedded Layer, a few thousand cases
	$(BIN)/python scripts/fuzz.py

compat: .venv/dev ## the built wheel on every Python here, and the published SDK against the embedded Layer
	$(BIN)/python scripts/compat.py

keycloak: .venv/dev ## run a real Keycloak on this machine until Ctrl-C; fetched once by Maven, needs Java 17
	$(BIN)/python scripts/keycloak_server.py

test-keycloak: .venv/dev ## run the tests against a real Keycloak, started and stopped for them (four minutes)
	$(BIN)/python -m pytest tests/keycloak -m keycloak

test-openai: .venv/dev ## run the tests against the real openai package, in the versions that matter, fetched once
	$(BIN)/python scripts/openai_versions.py --test

test-openai-deep: .venv/dev ## with each of them, random calls beside the plain client, and a fault in every function of ours
	$(BIN)/python scripts/openai_versions.py --deep

test-frameworks: .venv/dev ## run the tests of OpenAI under LangChain, LlamaIndex and others, each in .envs/frameworks
	$(BIN)/python scripts/frameworks.py
	$(BIN)/python -m pytest tests/frameworks -m frameworks

test-browser: .venv/dev ## look at the embedded Layer's page with Chromium and axe-core; screenshots in build/screenshots
	$(BIN)/python scripts/chromium.py
	$(BIN)/python -m pytest -q tests/browser -m browser $(TWO)

test-long: .venv/dev ## what the suite leaves out because it takes long: rows of the fault matrix, 32 threads, 50,000 actions
	$(BIN)/python -m pytest -q -m long $(TWO)

matrix: .venv/dev ## the fault matrix of background delivery with its full numbers and figures (about five minutes)
	$(BIN)/python -m pytest -q -m row

chaos: .venv/dev ## longer than the suite: a million records, then random faults and kills (about ten minutes)
	$(BIN)/python scripts/soak.py
	$(BIN)/python scripts/random_faults.py --seconds 300

bench: .venv/dev ## what recording costs the host, beside other SDKs, into docs/benchmarks.md (about half an hour)
	$(BIN)/python benchmarks/run.py

bench-quick: .venv/dev ## a part of it, printed (a few minutes)
	$(BIN)/python benchmarks/run.py --quick

bench-guard: .venv/dev ## fail where recording takes 15 % more instructions than benchmarks/budgets.json says; needs valgrind
	$(BIN)/python benchmarks/guard.py

bench-budgets: .venv/dev ## make the budgets what recording takes now
	$(BIN)/python benchmarks/guard.py --rewrite

clean: ## remove what the targets above have made
	rm -rf .venv .envs build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

.venv/demo: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[devserver]'
	touch $@

.venv/dev: requirements/dev.txt requirements/package.json requirements/package-lock.json pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("make: the development tools need Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --editable '.[devserver,jwt]'
	mkdir -p .envs/node && cp requirements/package.json requirements/package-lock.json requirements/npmrc .envs/node/
	mv .envs/node/npmrc .envs/node/.npmrc
	cd .envs/node && PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --silent --no-audit --no-fund
	touch .venv/demo $@
