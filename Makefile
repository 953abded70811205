# Everything here works from a fresh clone with Python 3.11 to 3.13 and the package index.
PYTHON ?= python3
UV_VERSION := 0.13.8
UV := .uv/bin/uv
# uv alone decides what is in .venv; bytecode is compiled at install, because services start in half the time with it.
export UV_PROJECT_ENVIRONMENT := .venv
export UV_COMPILE_BYTECODE := 1
export DO_NOT_TRACK := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export MLFLOW_DISABLE_TELEMETRY := true
RUN := .venv/bin
# More than the platform itself needs: make install EXTRAS="all keras"
EXTRAS := all
empty :=
# One for each choice of extras, so that asking for more installs more.
INSTALLED := .venv/.installed-$(subst $(empty) $(empty),+,$(EXTRAS))

.PHONY: help install demo test test-slow test-rare test-cluster check policy-scanner format bench images images-deep sboms compose-passwords clean

help: ## What can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-17s %s\n", $$1, $$2}'

install: $(INSTALLED) ## Set up .venv from uv.lock

.uv/bin/uv:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else f"Sluice needs Python 3.11 to 3.13, this is {v[0]}.{v[1]}: make PYTHON=python3.11")'
	$(PYTHON) -m venv .uv
	.uv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(INSTALLED): uv.lock pyproject.toml | .uv/bin/uv
	$(UV) sync --frozen $(EXTRAS:%=--extra %) --python $(PYTHON)
	@mkdir -p .sluice # plain prefect commands in this folder keep their state there
	@touch $@

demo: install ## Real ratings to recommendations, on the real stack (KEEP=1 leaves it up)
	@$(RUN)/sluice demo $(if $(KEEP),--keep)

test: install ## The test suite, under ten minutes
	$(RUN)/python -m tests.side_by_side "not slow and not integration" "not slow and integration"

test-slow: install ## What .ci/run adds: minutes, not seconds
	$(RUN)/python -m tests.side_by_side "slow and not rare and not waits" "slow and not rare and waits" --timeout 900

test-rare: install ## Before a release: thousands of requests, large files, more of what other tests do
	$(RUN)/python -m pytest -m rare --timeout 900

test-cluster: install ## The chart on the cluster that KUBECONFIG names, in a namespace of its own
	$(RUN)/python -m pytest -m cluster tests/cluster

check: install ## Lint, types, import rules, generated files
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy
	$(RUN)/lint-imports
	$(RUN)/sluice deploy --check
	$(RUN)/python -m deployments.reference --check
	$(RUN)/python -m observability.dashboards --check
	$(RUN)/python -m deployments.chart_files --check
	$(UV) lock --check --python $(PYTHON)

policy-scanner: .tools/checkov/.installed ## What scans the chart and the Terraform for policies, in an environment of its own

.tools/checkov/.installed: tests/policies/requirements.txt | .uv/bin/uv
	$(UV) venv --quiet --clear --python $(PYTHON) .tools/checkov
	$(UV) pip install --quiet --python .tools/checkov/bin/python --requirement $<
	@touch $@

format: install ## Format the code
	$(RUN)/ruff check --fix .
	$(RUN)/ruff format .

bench: install ## Benchmarks with their peers; results go to benchmarks/results
	$(RUN)/python -m benchmarks

# Images: with docker if its engine answers, else with podman.
ENGINE ?= $(shell docker info >/dev/null 2>&1 && echo docker || echo podman)
VERSION := $(shell sed -n 's/^version = "\(.*\)"$$/\1/p' pyproject.toml)
IMAGE_PREFIX ?= sluice-
# More for the build: make images BUILD_OPTIONS="--build-arg PYTHON_IMAGE=… --network host"
BUILD_OPTIONS ?=
# Labels are from the history, so that a commit gives the same ones again. In Docker's format podman keeps the health check.
BUILD = $(ENGINE) build $(if $(findstring podman,$(ENGINE)),--format docker) $(BUILD_OPTIONS) \
	--build-arg UV_VERSION=$(UV_VERSION) --build-arg VERSION=$(VERSION) \
	--build-arg REVISION=$(shell git rev-parse HEAD) --build-arg CREATED=$(shell git log -1 --format=%cI)
SIZES = $(PYTHON) -m deployments.images.sizes $(ENGINE)

images: ## Build the images of flows and serving, and tell their sizes (ENGINE=docker or podman)
	$(BUILD) --file deployments/images/serving.Containerfile --tag $(IMAGE_PREFIX)serving:$(VERSION) .
	$(BUILD) --file deployments/images/flows.Containerfile --tag $(IMAGE_PREFIX)flows:$(VERSION) .
	$(SIZES) $(IMAGE_PREFIX)serving:$(VERSION)=700 $(IMAGE_PREFIX)flows:$(VERSION)=2000

images-deep: images ## The same two with Keras on JAX on top
	$(BUILD) --build-arg IMAGE=$(IMAGE_PREFIX)serving:$(VERSION) --file deployments/images/deep-learning.Containerfile --tag $(IMAGE_PREFIX)serving-deep:$(VERSION) .
	$(BUILD) --build-arg IMAGE=$(IMAGE_PREFIX)flows:$(VERSION) --file deployments/images/deep-learning.Containerfile --tag $(IMAGE_PREFIX)flows-deep:$(VERSION) .
	$(SIZES) $(IMAGE_PREFIX)serving-deep:$(VERSION)=1500 $(IMAGE_PREFIX)flows-deep:$(VERSION)=3000

sboms: ## Copy each image's bill of materials to dist/ (CycloneDX)
	mkdir -p dist
	for image in serving flows; do \
		$(ENGINE) run --rm --network none $(IMAGE_PREFIX)$$image:$(VERSION) cat /opt/sluice/sbom.cdx.json > dist/$(IMAGE_PREFIX)$$image-$(VERSION).cdx.json || exit 1; \
	done

compose-passwords: ## Random passwords for deployments/compose.yaml, where there are none yet
	$(PYTHON) -m deployments.compose.passwords

clean: ## Remove what install and the stack made
	rm -rf .venv .uv .tools .sluice
