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

.PHONY: help install demo test test-slow test-rare check format bench clean

help: ## What can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

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

format: install ## Format the code
	$(RUN)/ruff check --fix .
	$(RUN)/ruff format .

bench: install ## Benchmarks with their peers; results go to benchmarks/results
	$(RUN)/python -m benchmarks

clean: ## Remove what install and the stack made
	rm -rf .venv .uv .sluice
