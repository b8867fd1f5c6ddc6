# Every target sets up what it needs: Python 3.11 or newer and make are enough.
PYTHON ?= python3
HATCH := .hatch/bin/hatch
VIDEOS ?=
QUICK ?=
STEPS ?=
SEED ?=
# Modules are compiled as they are first imported: most of the 22,000 that are installed never are.
export PIP_COMPILE ?= 0
TAG ?= $(shell git tag --points-at HEAD)

.DEFAULT_GOAL := help
.PHONY: help demo test test-random test-long test-papers test-wheels coverage versions check docs site release-check bench quality gpu wheels clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

demo: $(HATCH) ## the whole job in about ten minutes; VIDEOS=folder for your own footage; STEPS=1700 for all steps
	$(HATCH) run python -m demo $(if $(VIDEOS),--videos "$(VIDEOS)") $(if $(STEPS),--steps "$(STEPS)")

test: $(HATCH) ## all tests that take seconds
	$(HATCH) run test

test-random: $(HATCH) ## the same in an order drawn anew: SEED=1 for one that was
	$(HATCH) run test-random $(if $(SEED),--randomly-seed=$(SEED))

test-papers: $(HATCH) ## every block of every README and guide, as a reader runs them
	$(HATCH) run test-papers

test-long: wheels ## those that take minutes: each wheel installed alone
	EXVIDEO_DIST=dist $(HATCH) run test-long

test-wheels: wheels ## each wheel of dist/, installed alone into an empty environment
	EXVIDEO_DIST=dist $(HATCH) run pytest -m long tests/test_wheels.py

coverage: $(HATCH) ## `make test`, and the lines that it runs: out/coverage
	$(HATCH) run test-coverage

versions: $(HATCH) ## the packages' tests by the oldest and the newest versions of what they stand on; 19 GB
	$(HATCH) run oldest:test
	$(HATCH) run oldest-train:test
	$(HATCH) run newest:test

check: $(HATCH) ## lint, format, types, import rules, workflows
	$(HATCH) run check

docs: $(HATCH) ## builds the documentation, to out/site, and serves it at http://127.0.0.1:8000
	$(HATCH) run docs

site: $(HATCH) ## builds the documentation and checks its links
	$(HATCH) run site

release-check: wheels ## what has to hold of a release, by default of the tag of HEAD; TAG=v0.1.0 for another
	$(HATCH) run python .ci/release.py --tag "$(TAG)"

bench: $(HATCH) ## throughput of kernels, training and generation, to out/bench
	$(HATCH) run python -m benchmarks

quality: $(HATCH) ## post-tuning against what needs no training, to out/quality; nights, or minutes with QUICK=1
	$(HATCH) run quality $(if $(QUICK),--quick,--rows headline)

gpu: $(HATCH) ## the first minutes on a GPU, to out/gpu: tests, attention, the UNet of true size, Wan, trainer, sampler
	$(HATCH) run python -m benchmarks.gpu

wheels: $(HATCH) ## all packages, to dist/
	rm -rf dist
	$(HATCH) build --all

clean: ## all that was set up or made
	rm -rf .hatch .venv .venvs out dist

$(HATCH):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "$(PYTHON) is older than Python 3.11; give a newer one: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv .hatch
	.hatch/bin/pip install --quiet hatch==1.18.2
