# What a newcomer needs: `make run` and `make test`. Each installs what is missing.
.DEFAULT_GOAL := help
SHELL := /bin/bash
TARGET := $(or $(CARGO_TARGET_DIR),target)
DENY := 0.20.2
MDBOOK := 0.4.52

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 22

.PHONY: run
run: setup ## build, then serve a demonstration on loopback
	@echo 'Building Doorward (a first build takes some minutes: Pingora is large) …'
	@cargo build --locked
	@exec $(TARGET)/debug/doorward demo

.PHONY: test
test: setup fmt clippy unit check doc deny ## everything that must hold before a change goes in

.PHONY: fmt
fmt:
	cargo fmt --check

.PHONY: clippy
clippy:
	cargo clippy --locked --all-targets -- -D warnings

.PHONY: unit
unit:
	cargo test --locked

# As a release is built, without what the dependencies of the tests turn on; `doc` reads the same metadata.
.PHONY: check
check:
	cargo check --locked

# What the targets below try: the tests' build leaves it, so that nothing is built anew after `make test`.
.PHONY: binary
binary:
	cargo test --locked --no-run

.PHONY: doc
doc:
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps

.PHONY: deny
deny:
	@command -v cargo-deny >/dev/null || cargo install cargo-deny --version $(DENY) --locked
	cargo deny --locked check licenses bans sources

.PHONY: conformance
conformance: binary ## the recorded suites once more, played by the independent runner where it is
	.ci/conformance

.PHONY: test-gateways
test-gateways: binary ## one corpus of requests through nginx, Caddy, HAProxy, Envoy (installed where missing) and the Lambda authorizer
	.ci/gateways

.PHONY: test-edge
test-edge: binary ## curl, h2load, Node and Python websockets (installed where missing) and odd upstreams through a running Doorward
	.ci/edge

.PHONY: test-providers
test-providers: binary ## tokens of real identity providers (installed where missing) through a running Doorward
	.ci/providers

.PHONY: test-stores
test-stores: binary ## rules from S3, Google Cloud Storage and Azure Blob (emulators, installed where missing)
	.ci/stores

.PHONY: fuzz
fuzz: ## every fuzz target from its seeds, FUZZ_SECONDS (60) for all together (installs cargo-fuzz where it is missing)
	.ci/fuzz

.PHONY: test-packaging
test-packaging: ## manifests, unit, Debian package (built and installed into an empty folder), checksum, bill of materials
	cargo build --locked
	.ci/packaging dev

.PHONY: newcomer
newcomer: ## clone into an empty folder, `make run` with a cargo home of its own, and try what is printed
	.ci/newcomer

.PHONY: setup
setup:
	@.ci/setup

.PHONY: release
release: setup ## a stripped binary in target/release, with checksum, bill of materials and the oldest glibc it runs with
	cargo build --locked --release
	.ci/release $(TARGET)/release/doorward

.PHONY: reference
reference: ## write the reference pages of docs/ from the code
	DOORWARD_WRITE_REFERENCE=1 cargo test --locked --lib reference::

.PHONY: docs
docs: ## the documentation as a site in target/book (installs mdbook where it is missing)
	@command -v mdbook >/dev/null || cargo install mdbook --version $(MDBOOK) --locked
	mdbook build docs --dest-dir $(abspath $(TARGET))/book
