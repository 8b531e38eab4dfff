# Every common task, one line each: `make help`.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.ONESHELL:
.SHELLFLAGS := -euo pipefail -c

# Tools that are built once and kept outside of the tree, by version.
TOOLS := $(HOME)/.cache/exportpool/tools
NEXTEST_VERSION := 0.9.151
# Of `make chaos`; a message has 3.6 tasks on average.
KILLS := 10000
MESSAGES := 6500
export PATH := $(TOOLS)/bin:$(PATH)
export CARGO_TERM_COLOR ?= auto

.PHONY: help demo test e2e cluster cluster-down cluster-load cluster-check cluster-proof cluster-demo crd conformance conformance-tools pages-browser pages-pictures build kills lint fmt schema deny scenarios chaos interleavings interleavings-short bench-consumer bench-peers bench-scale-out faults fuzz fuzz-long clean chart chart-docs image kind kind-down tilt-ci

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-17s %s\n", $$1, $$2}'

demo: build ## the main job, end to end, on this machine
	@$${CARGO_TARGET_DIR:-target}/debug/exportctl demo

test: $(TOOLS)/bin/cargo-nextest conformance-tools pages-browser lint build kills ## all checks and tests
	@cargo nextest run --workspace --exclude exportpool-e2e --no-fail-fast
	@$(MAKE) --no-print-directory interleavings-short
	@cargo test --workspace --doc
	@e2e/run
	@$(MAKE) --no-print-directory chart

e2e: $(TOOLS)/bin/cargo-nextest build ## the tests on a real Kubernetes, of this machine or of KUBECONFIG
	@e2e/run

cluster-demo: build ## the main job on a real Kubernetes: a pool from 0 to 6 pods and back under a load, checked
	@e2e/demo

cluster: ## a Kubernetes of one node on this machine, without Docker
	@e2e/cluster/up

cluster-down: ## end it, and leave nothing of it
	@e2e/cluster/down

cluster-load: ## put images into it: make cluster-load IMAGE=archive.tar
	@e2e/cluster/load $(or $(IMAGE),$(error IMAGE=archive.tar, an OCI archive))

cluster-check: ## does it do what the tests need: Pod Security, names, traffic, signals, scaling, its registry
	@e2e/cluster/check

cluster-proof: ## bring it up, check it, end it, and see that the machine is as before
	@e2e/cluster/leaves-nothing

crd: ## write crds/ and the chart's from the types
	@cargo run -q -p exportpool-operator -- crd > crds/exportpools.yaml
	@charts/exportpool-crds/generate

chart: ## check the charts: lint, refused values, golden renders, the API's schemas, habits
	@if command -v go >/dev/null; then charts/check; \
	else echo "charts: skipped: what checks them is built with Go, which is not on the PATH" >&2; [[ $${CI:-} != true ]]; fi

chart-docs: ## write the chart's README and schema from its values.yaml
	@charts/check --docs

image: ## images of the three programs as OCI archives, without Docker; PROFILE=image is quicker to build
	@image/build

kind: ## a cluster of kind for `tilt up`, with a registry; needs Docker, kind and kubectl
	@kind create cluster --config kind-config.yaml
	docker run -d --restart=always --network kind -p 127.0.0.1:5001:5000 --name exportpool-registry registry:3 >/dev/null

kind-down: ## end it
	@kind delete cluster --name exportpool
	docker rm -f exportpool-registry >/dev/null

tilt-ci: ## what `tilt up` brings up, and a load on it, on a cluster of this machine; builds Tilt, once
	@e2e/tilt/run

conformance: $(TOOLS)/bin/cargo-nextest conformance-tools build ## each port on each AWS we support; writes docs/conformance.md
	@EXPORTPOOL_WRITE_DOCS=1 cargo nextest run -p exportctl --test conformance --no-fail-fast

conformance-tools: ## what `conformance` tries, by version
	@cli/tests/conformance/install

pages-browser: ## what the pages of profiles are tested in
	@profile/tests/pages/install

pages-pictures: pages-browser ## write docs/pictures from the recordings of those tests
	@EXPORTPOOL_WRITE_DOCS=1 cargo test -q -p exportpool-profile --test pages -- pictures::

build: ## all programs, for debugging
	@cargo build --workspace --bins

# As it is released (opt-level 3, panic = "unwind"), but for what only costs time to build; in a folder of its own, so
# that it never takes the place of a released one.
kills: ## exportctl and the consumer with kill points, optimised, for tests
	@cargo build --release -p exportctl -p exportpool-consumer --features exportpool-consumer/kill-points \
	  --target-dir $${CARGO_TARGET_DIR:-target}/kills --config profile.release.lto='"off"' \
	  --config profile.release.debug=0 --config profile.release.codegen-units=16

lint: ## format and lints
	@cargo fmt --all --check
	@cargo clippy --workspace --all-targets -- -D warnings
	@cargo clippy -p exportpool-consumer --features shuttle --all-targets -- -D warnings

fmt: ## put the format right
	@cargo fmt --all

# The names of these tests are those of their modules. A feature, so that the rest of the folder stays as it is built.
# In a folder of its own: the consumer that is built with these tests runs under their scheduler alone, and must never take
# the place of another one.
SCHEDULED = nextest run -p exportpool-consumer --features shuttle --no-fail-fast \
  --target-dir $${CARGO_TARGET_DIR:-target}/scheduled -E 'binary(interleavings) | test(interleavings::)'
# Of `make interleavings`: so many times the schedules of `make test`.
TIMES := 25

interleavings-short: $(TOOLS)/bin/cargo-nextest ## each test of interleavings by a few schedules
	@cargo $(SCHEDULED)

interleavings: $(TOOLS)/bin/cargo-nextest ## the same by many: about ten minutes; TIMES=1 is what `make test` does
	@SCHEDULES_TIMES=$(TIMES) cargo $(SCHEDULED) --no-capture

schema: ## write docs/schema from the types
	@cargo run -q -p exportpool-contract --example schema docs/schema

scenarios: $(TOOLS)/bin/cargo-nextest build kills ## exportctl scenario all --fast, and that all of it holds: 5 minutes
	@cargo nextest run --workspace --exclude exportpool-e2e -E 'test(/^scenario::/)'

chaos: ## 10,000 random kills over 20,000 tasks, on release builds: half an hour; KILLS=500 MESSAGES=350 is a minute
	@cargo build --release --workspace --bins
	bin=$${CARGO_TARGET_DIR:-target}/release
	exec $$bin/exportctl demo --json --chaos kill --kills $(KILLS) --kill-every 160ms --max-replicas 4 --timeout 2h \
	  --messages $(MESSAGES) --mixed --delay 20ms --failure-rate 0.02 --flaky-rate 0.03 --invalid-rate 0.01

bench-consumer: bench-peers ## measure the consumer beside others (about an hour; ONLY=speed,cost QUICK=1)
	@cargo build --release -p exportctl -p exportpool-consumer -p exportpool-bench
	@$${CARGO_TARGET_DIR:-target}/release/exportpool-bench run $(if $(ONLY),--only $(ONLY)) $(if $(QUICK),--quick)

bench-scale-out: ## from no pods to fifty, beside KEDA and kubectl scale, on clusters of this machine (half an hour; RUNS=1)
	@bench/scale-out/run $(RUNS)

bench-peers: bench/peers/node/node_modules bench/peers/spring/target/consumer.jar ## install what is measured beside

bench/peers/node/node_modules: bench/peers/node/package-lock.json
	@cd bench/peers/node && npm ci --no-audit --no-fund && touch node_modules

bench/peers/spring/target/consumer.jar: bench/peers/spring/pom.xml $(wildcard bench/peers/spring/src/main/java/exportpool/*)
	@mvn -q -B -f bench/peers/spring/pom.xml package
faults: ## write docs/faults.md from its test
	@EXPORTPOOL_WRITE_DOCS=1 cargo test -q -p exportpool-consumer --test rooms -- faults::the_page

fuzz: ## each reader against half a minute of hostile input
	@consumer/fuzz/run 30

fuzz-long: ## the same for a quarter of an hour each
	@consumer/fuzz/run 900

deny: $(TOOLS)/bin/cargo-deny ## licences, sources and advisories of dependencies
	@cargo deny check

clean: ## remove what was built here
	@cargo clean

# Unoptimised on purpose: the runner is built once and has little to do.
$(TOOLS)/bin/cargo-nextest:
	@echo "building cargo-nextest $(NEXTEST_VERSION) into $(TOOLS), once"
	@cargo install cargo-nextest --locked --version $(NEXTEST_VERSION) --no-default-features \
	  --features default-no-update --root $(TOOLS) --config profile.release.opt-level=1 \
	  --config profile.release.lto=false --config profile.release.codegen-units=16

$(TOOLS)/bin/cargo-deny:
	@echo "building cargo-deny into $(TOOLS), once"
	@cargo install cargo-deny --locked --root $(TOOLS)
