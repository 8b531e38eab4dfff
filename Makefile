# Every common task, one line each: `make help`.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.ONESHELL:
.SHELLFLAGS := -euo pipefail -c

# Tools that are built once and kept outside of the tree, by version.
TOOLS := $(HOME)/.cache/exportpool/tools
NEXTEST_VERSION := 0.9.151
export PATH := $(TOOLS)/bin:$(PATH)
export CARGO_TERM_COLOR ?= auto

.PHONY: help demo test conformance conformance-tools build lint fmt schema deny chaos bench-consumer bench-peers faults fuzz fuzz-long clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-17s %s\n", $$1, $$2}'

demo: build ## the main job, end to end, on this machine
	@$${CARGO_TARGET_DIR:-target}/debug/exportctl demo

test: $(TOOLS)/bin/cargo-nextest conformance-tools lint build ## all checks and tests
	@cargo nextest run --workspace --no-fail-fast
	@cargo test --workspace --doc

conformance: $(TOOLS)/bin/cargo-nextest conformance-tools build ## each port on each AWS we support; writes docs/conformance.md
	@EXPORTPOOL_WRITE_DOCS=1 cargo nextest run -p exportctl --test conformance --no-fail-fast

conformance-tools: ## what `conformance` tries, by version
	@cli/tests/conformance/install

build: ## both programs, for debugging
	@cargo build --workspace --bins

lint: ## format and lints
	@cargo fmt --all --check
	@cargo clippy --workspace --all-targets -- -D warnings

fmt: ## put the format right
	@cargo fmt --all

schema: ## write docs/schema from the types
	@cargo run -q -p exportpool-contract --example schema docs/schema

chaos: build ## ten demos in a row, consumers killed throughout
	@for run in 1 2 3 4 5 6 7 8 9 10; do
	  echo "run $$run"
	  $${CARGO_TARGET_DIR:-target}/debug/exportctl demo --messages 500 --max-replicas 4 --chaos kill --json 2>/dev/null | tr -d '\n '
	  echo
	done

bench-consumer: bench-peers ## measure the consumer beside others (about an hour; ONLY=speed,cost QUICK=1)
	@cargo build --release -p exportctl -p exportpool-consumer -p exportpool-bench
	@$${CARGO_TARGET_DIR:-target}/release/exportpool-bench run $(if $(ONLY),--only $(ONLY)) $(if $(QUICK),--quick)

bench-peers: bench/peers/node/node_modules bench/peers/spring/target/consumer.jar ## install what is measured beside

bench/peers/node/node_modules: bench/peers/node/package-lock.json
	@cd bench/peers/node && npm ci --no-audit --no-fund && touch node_modules

bench/peers/spring/target/consumer.jar: bench/peers/spring/pom.xml $(wildcard bench/peers/spring/src/main/java/exportpool/*)
	@mvn -q -B -f bench/peers/spring/pom.xml package
faults: ## write docs/faults.md from its test
	@WRITE_DOCS=1 cargo test -q -p exportpool-consumer --test rooms -- faults::the_page

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
