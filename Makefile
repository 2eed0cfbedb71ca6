# Each target is a few commands that you can also type yourself after `. tools/env.sh`.
.DEFAULT_GOAL := help
SHELL := /bin/sh
export PYTHON

IN_ENV := . tools/env.sh &&
PYTEST := python -m pytest --dist loadfile --no-loadscope-reorder
CORES := $(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
REQUIREMENTS := $(sort $(basename $(notdir $(wildcard tools/requirements/*.in))))

.PHONY: help setup setup-dev setup-policy setup-kubernetes setup-node demo test test-load test-unit test-engine bench-smoke \
    docs links e2e check format lock clean clean-all

help: ## this list
	@sed -n 's/^\([a-z%-]*\):.*## /  \1\t/p' Makefile | expand -t 20
	@echo "  PYTHON=/path/to/python chooses another Python (3.11 to 3.13)"

setup: ## install what `pulumi up` needs: .venv, Pulumi, the stack `local`
	@tools/setup

setup-dev: ## also install what the checks and tests need
	@tools/setup --tier dev

setup-policy: ## also install the policy pack's environment, for `pulumi preview --policy-pack policy`
	@tools/setup --tier policy

setup-kubernetes: setup-dev ## also build the Kubernetes, the object store and the Prometheus of the engine tests (14 minutes, once)
	@$(IN_ENV) python -m tests.support.setup kubernetes

setup-node: setup-dev ## also build the node for the containers of `make e2e` (8 minutes, once; root on Linux)
	@$(IN_ENV) python -m tests.support.setup node

demo: ## set up, measure two servers on this machine for five minutes, compare them, and destroy what that took
	@echo "Sets this checkout up where it is not, then measures for five minutes."
	@$(MAKE) --no-print-directory setup
	@$(IN_ENV) shapebench sweep --file tools/demo.yaml || [ $$? = 5 ] # 5: a rehearsal
	@$(IN_ENV) shapebench runs
	@echo
	@echo "Nothing runs any more. Runs and report stay, in results/ and report/."
	@echo "Next: docs/getting-started.md"

test: ## the two test tiers that need no root, the quick one first
	@$(MAKE) --no-print-directory test-load
	@$(MAKE) --no-print-directory test-unit
	@$(MAKE) --no-print-directory test-engine

test-load: setup-dev ## unit tests that send a load in real time: run nothing else beside them
	@$(IN_ENV) $(PYTEST) --numprocesses $(CORES) -m real_time tests/unit/loadtest tests/unit/provider

test-unit: setup-dev ## all other tests that do not run Pulumi
	@$(IN_ENV) $(PYTEST) --tx '$(CORES)*popen' --tx '2*popen//nice=10' -m "not real_time" tests/unit

test-engine: setup-kubernetes setup-policy ## tests that run the real Pulumi command line and a browser
	@$(IN_ENV) $(PYTEST) --numprocesses 4 tests/engine

docs: setup-dev ## build the documentation as a website: build/site/index.html
	@$(IN_ENV) sphinx-build --fail-on-warning --keep-going --jobs auto --quiet docs build/site
	@cp build/site/README.html build/site/index.html
	@echo build/site/index.html

links: setup-dev ## ask every external link of the documentation, which needs the internet
	@$(IN_ENV) sphinx-build --builder linkcheck --quiet docs build/links

e2e: setup-node ## tests that run containers on a real Kubernetes node, which they start and stop
	@$(IN_ENV) python -m pytest tests/kubernetes

check: setup-dev ## check format, lint, types, imports, YAML, workflows, documents, stack files, pins, scripts
	@$(IN_ENV) ruff format --check .
	@$(IN_ENV) ruff check .
	@$(IN_ENV) mypy
	@$(IN_ENV) lint-imports --no-logo
	@$(IN_ENV) yamllint --strict .
	@$(IN_ENV) zizmor --offline --no-progress --quiet .github
	@$(IN_ENV) python -m checks

format: setup-dev ## format the sources and fix what the linter can
	@$(IN_ENV) ruff format .
	@$(IN_ENV) ruff check --fix .

bench-smoke: setup-dev ## start every benchmark at its smallest size, to see that it runs
	@$(IN_ENV) python -m bench.smoke

bench-%: setup-dev ## run a benchmark: serving, recorder, protocols, generator, report, verdict, lottery, search, plan, day, estimate, simulator, sweep, journal, memory, damage, disturbance
	@$(IN_ENV) python -m bench.$*

lock: setup-dev ## compile the pinned requirements (pins stay, unless UPGRADE=--upgrade)
	@$(IN_ENV) cd tools/requirements && for each in $(REQUIREMENTS); do \
	    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url $(UPGRADE) \
	        $$each.in -o $$each.txt || exit 1; \
	done
	@$(IN_ENV) python -m checks.requirements $(REQUIREMENTS:%=tools/requirements/%.txt)

clean: ## remove what setting up and running made, except results/ and .state/
	rm -rf .venv package/.venv policy/.venv .tools .cache build report export *.egg-info
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

clean-all: ## remove results/ (every run) and .state/ (what Pulumi knows of its stacks), too
	@up=$$(grep -ls '"urn"' .state/.pulumi/stacks/*/*.json); if [ -n "$$up" ]; then \
	    echo "these stacks are up, and nothing else knows their resources; destroy them first" \
	        "(pulumi destroy --stack <stack>):" $$up >&2; exit 1; fi
	@$(MAKE) --no-print-directory clean
	rm -rf results .state
