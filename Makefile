# Bornier: every command of the project. `make` alone prints them.
# Needs python3 (3.11 or newer) with venv, and make. Only set-up reaches the network.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
PY := $(BIN)/python
VENDOR := app/web/static/vendor
LOCALES := app/web/locales
LANGUAGES := fr en
WORKERS ?= auto
PYTEST_ARGS ?=
IMAGE_BIN := .venv-image/bin
BUNDLE := build/image/bornier-app.tar.gz
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
IMAGE := bornier-$(VERSION)-amd64.img
SHELL_SCRIPTS := .ci/run image/recipe/* tests/ansible/check_roles tests/image/guest/agent tests/image/guest/facts \
    tests/image/variant/saboteur ansible/roles/*/files/grub-environment image/overlay/usr/local/libexec/bornier/* \
    image/overlay/etc/initramfs-tools/hooks/* image/overlay/etc/initramfs-tools/scripts/init-bottom/*
STAGE ?=

.PHONY: help setup run test check bench fuzz loadtest rehearsal rehearsals lock locales bundle roles image image-again \
    image-test chromium \
    box-programs image-tools clean distclean

help: ## This list
	@printf 'Bornier, the charge manager of an electrical cabinet\n\n'
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' \
	    | while IFS=$$'\t' read -r target text; do printf '  make %-10s %s\n' "$$target" "$$text"; done

setup: .venv/.stamp $(VENDOR)/.stamp ## Everything the other commands need (they call it)

run: setup ## The manager and a simulated site (SCENARIO=demo-100 STATIONS=100 METER="Nemo D4-Le")
	@exec $(PY) -m simulators run "$(or $(SCENARIO),demo-100)" --with-manager \
	    $(if $(STATIONS),--stations "$(STATIONS)") $(if $(METER),--meter "$(METER)")

test: setup chromium box-programs ## All the tests, with their coverage gates (WORKERS=auto PYTEST_ARGS=)
	@mkdir -p build/coverage
	@rm -f build/coverage/*
	$(PY) -m pytest -n $(WORKERS) --maxprocesses 4 --dist loadfile \
	    --cov --cov-report= --cov-report=json $(PYTEST_ARGS)
	$(PY) -m tests.support.coverage_gate build/coverage/coverage.json

check: setup ## Format, lint, types, import contracts, translations
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(PY) -m tests.support.catalogues check $(LOCALES) $(LANGUAGES)

bench: setup ## Performance figures against reference servers -> build/bench.json
	@mkdir -p build
	$(PY) -m loadtests.bench

fuzz: setup ## Mutated frames against the stations' port, on loopback (FRAMES=1000000 SEED=1)
	$(PY) -m tests.support.fuzz --frames "$(or $(FRAMES),1000000)" --seed "$(or $(SEED),1)"

loadtest: setup .venv-load/.stamp ## Locust scenarios, judged by loadtests/thresholds.toml -> build/loadtest/
	$(PY) -m loadtests.run $(SCENARIO)

rehearsal: setup ## A scenario on a virtual clock (SCENARIO=basement-100) -> build/rehearsal/
	@mkdir -p build/rehearsal
	$(PY) -m simulators.rehearsal "$(or $(SCENARIO),basement-100)" \
	    $(if $(STATIONS),--stations "$(STATIONS)") $(if $(METER),--meter "$(METER)")

# The long day first, beside all the others; the demonstration's day and the quick look are for eyes.
SCENARIOS = workplace-day $(filter-out demo-100 small-4 workplace-day,$(sort $(patsubst simulators/scenarios/%.yaml,%,$(wildcard simulators/scenarios/*.yaml))))

rehearsals: setup ## Every scenario, two at a time, against the bounds that all must keep
	@mkdir -p build/rehearsal
	@rm -f build/rehearsal/*.json
	@printf '%s\n' $(SCENARIOS) | xargs -P 2 -I {} sh -c \
	    '$(PY) -m simulators.rehearsal {} >build/rehearsal/{}.log 2>&1 || { cat build/rehearsal/{}.log; exit 255; }'
	$(PY) -m tests.support.report_gate build/rehearsal/*.json

locales: setup ## Bring the catalogues of texts to translate up to date
	$(PY) -m tests.support.catalogues update $(LOCALES) $(LANGUAGES)

# uv resolves for every supported Python at once. It does not read pip's configuration, so its
# index is taken from there; the lock files themselves name no index.
lock: ## Choose dependency versions anew -> requirements*.lock, package-lock.json
	@[ -x .venv-lock/bin/uv ] || { $(PYTHON) -m venv .venv-lock && .venv-lock/bin/pip install --quiet uv; }
	@index=$$(.venv-lock/bin/pip config get global.index-url 2>/dev/null || true); \
	[ -z "$$index" ] || export UV_DEFAULT_INDEX="$$index"; \
	compile() { .venv-lock/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	    --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links "$$@"; }; \
	compile pyproject.toml -o requirements.lock; \
	compile pyproject.toml --extra dev -c requirements.lock -o requirements-dev.lock; \
	compile --group node -o requirements-node.lock; \
	compile --group load -o requirements-load.lock; \
	compile --group image -o requirements-image.lock
	@sed -i '/^--/d' requirements*.lock
	@npm=$$(command -v npm || echo .venv-node/bin/npm); \
	$$npm install --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved --no-audit --no-fund

bundle: $(BUNDLE) ## The manager with its libraries, as a box takes it -> build/image/

roles: $(BUNDLE) .venv-image/.stamp image-tools ## Lint of the box's roles, then a bare Debian root twice (as root)
	$(IMAGE_BIN)/yamllint --strict -c ansible/.yamllint ansible
	cd ansible && PATH="$(CURDIR)/$(IMAGE_BIN):$$PATH" ansible-lint
	shellcheck $(SHELL_SCRIPTS)
	tests/ansible/check_roles build/roles

image: $(BUNDLE) .venv-image/.stamp image-tools ## The disk image of the box (as root) -> build/image/
	image/recipe/build build/image $(VERSION)

image-again: image ## Builds the image once more: its root must be the same to the bit (as root)
	image/recipe/reproduce build/image $(VERSION)

image-test: .venv/.stamp image-tools ## Boots the image in QEMU (STAGE=boot update power install) -> build/image-test.json
	@[ -f build/image/$(IMAGE) ] || { echo 'make image comes first' >&2; exit 1; }
	$(PY) -m tests.image build/image/$(IMAGE) $(STAGE) $(if $(PICTURES),--pictures)

clean: ## Remove what running, testing and building made (keeps ./var and the set-up)
	rm -rf --one-file-system build .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage*
	find app simulators loadtests tests -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## Remove the set-up as well (keeps ./var)
	rm -rf .venv .venv-node .venv-lock .venv-image .venv-load node_modules $(VENDOR)

# ---------------------------------------------------------------- set-up, by stamps

.venv/.stamp: requirements-dev.lock
	@command -v $(PYTHON) >/dev/null || { echo 'python3 is missing: apt-get install python3 python3-venv' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo 'Python 3.11 or newer is needed; PYTHON=/path/to/python3 chooses another one' >&2; exit 1; }
	@[ -x $(BIN)/pip ] || $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	    || { echo 'python3 has no venv: apt-get install python3-venv' >&2; exit 1; }
	[ -x $(BIN)/pip ] || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.lock
	@touch $@

# The machine's npm when there is one, else the one that comes with Node.js as a wheel.
node_modules/.stamp: package-lock.json requirements-node.lock
	@if command -v node >/dev/null && command -v npm >/dev/null; then \
	    npm ci --ignore-scripts --no-audit --no-fund; \
	else \
	    [ -x .venv-node/bin/pip ] || $(PYTHON) -m venv .venv-node; \
	    .venv-node/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-node.lock; \
	    PATH="$$PWD/.venv-node/bin:$$PATH" npm ci --ignore-scripts --no-audit --no-fund; \
	fi
	@touch $@

$(VENDOR)/.stamp: node_modules/.stamp
	@mkdir -p $(VENDOR)
	cp node_modules/htmx.org/dist/htmx.min.js node_modules/htmx.org/dist/ext/hx-sse.min.js \
	    node_modules/uplot/dist/uPlot.iife.min.js node_modules/uplot/dist/uPlot.min.css $(VENDOR)/
	cp node_modules/htmx.org/LICENSE $(VENDOR)/htmx.LICENSE.txt
	cp node_modules/uplot/LICENSE $(VENDOR)/uPlot.LICENSE.txt
	@touch $@

.venv-image/.stamp: requirements-image.lock
	[ -x $(IMAGE_BIN)/pip ] || $(PYTHON) -m venv .venv-image
	$(IMAGE_BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-image.lock
	@touch $@

.venv-load/.stamp: requirements-load.lock
	[ -x .venv-load/bin/pip ] || $(PYTHON) -m venv .venv-load
	.venv-load/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-load.lock
	@touch $@

$(BUNDLE): .venv/.stamp $(VENDOR)/.stamp $(shell find app -type f -not -path '*/__pycache__/*') requirements.lock image/recipe/bundle
	image/recipe/bundle $@

# What builds and boots the image, from Debian's packages.
image-tools:
	@[ "$$(id -u)" = 0 ] || { echo 'A root file system is made as root only' >&2; exit 1; }
	@for name in mmdebstrap mksquashfs mcopy mkfs.vfat sfdisk shellcheck zstd rauc qemu-system-x86_64 qemu-img; do \
	    if ! command -v $$name >/dev/null; then \
	        export DEBIAN_FRONTEND=noninteractive; \
	        apt-get update -qq && apt-get install -y -qq --no-install-recommends \
	            debian-archive-keyring dosfstools fdisk mmdebstrap mtools ovmf qemu-system-x86 \
	            qemu-utils rauc shellcheck squashfs-tools zstd; \
	        break; \
	    fi; \
	done

# Browser tests drive the system's Chromium.
chromium:
	@for name in chromium chromium-browser google-chrome-stable google-chrome; do \
	    if command -v $$name >/dev/null; then exit 0; fi; \
	done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    export DEBIAN_FRONTEND=noninteractive; \
	    apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core; \
	else \
	    echo 'The browser tests need Chromium: apt-get install chromium' >&2; exit 1; \
	fi

# Programs of the box that tests run for real. Without root and without them, their tests are skipped
# and the summary names them.
box-programs:
	@[ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || exit 0; \
	for name in grub-editenv mksquashfs openssl qemu-img rauc ssh-keygen; do \
	    if ! command -v $$name >/dev/null; then \
	        export DEBIAN_FRONTEND=noninteractive; \
	        apt-get update -qq && apt-get install -y -qq --no-install-recommends \
	            grub-common openssh-client openssl qemu-utils rauc squashfs-tools; \
	        break; \
	    fi; \
	done
