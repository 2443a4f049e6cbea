# Build, try, test: `make help` lists the targets.

CARGO ?= cargo
PROGRAM := target/release/treering

# Debian keeps servers where only root looks.
export PATH := $(PATH):/usr/sbin

.DEFAULT_GOAL := all
.PHONY: all help release demo run test crash nats-server bench bench-micro fuzz swagger clean distclean

all: release config.json var/checkpoints var/archive ## Build the program, and make config.json and var/ if they are missing

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' $(MAKEFILE_LIST) | expand -t 14

# `treering -version` tells them. Only the day: a time would mean a new build every time.
release: export TREERING_GIT_HASH := $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
release: export TREERING_BUILD_TIME := $(shell date -u +%Y-%m-%d)
release:
	$(CARGO) build --release --locked

config.json:
	cp configs/config.json $@

var/checkpoints var/archive:
	mkdir -p $@

demo: all ## Start a store with a simulated cluster, ask it three questions, stay until Ctrl-C
	$(PROGRAM) demo

run: all ## Start a store with config.json
	$(PROGRAM) -config config.json -loglevel info

# Most tests wait for processes that they have started: more of them than processors at a time.
test: export RUST_TEST_THREADS ?= 4
test: nats-server ## Run all tests; installs nats-server from Debian if it is missing
	$(CARGO) test --locked --all-features

KILLS ?= 200

crash: nats-server ## Kill the program 200 times (KILLS=…) while it is written to, and read everything back
	$(CARGO) build --locked
	python3 tests/crash/crash.py --kills $(KILLS) target/debug/treering

# A real server to test against.
nats-server:
	@command -v nats-server >/dev/null && exit 0; \
	echo "The tests need nats-server: installing it with apt-get."; \
	if [ "$$(id -u)" = 0 ]; then as_root=; else as_root=sudo; fi; \
	$$as_root apt-get update -qq && \
	$$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nats-server && \
	command -v nats-server >/dev/null && exit 0; \
	echo "nats-server could not be installed: install it by hand, from your distribution or from nats.io," >&2; \
	echo "so that it is found in PATH, and run this again." >&2; \
	exit 1

# ROUNDS=5, AGAINST=/usr/bin/cc-metric-store, PARTS="ingest queries", and whatever else `treering bench --help` names.
ROUNDS ?= 3
bench: release ## Measure memory, processor time and disk of a running store, beside AGAINST=PROGRAM
	$(PROGRAM) bench --rounds $(ROUNDS) $(if $(AGAINST),--against $(AGAINST)) $(BENCH_FLAGS) $(PARTS)

bench-micro: ## Measure parser, codec, printer, sums, logs and archive one by one
	$(CARGO) bench --locked

# See fuzz/README.md.
SECONDS ?= 10
fuzz: ## Run every fuzz target for SECONDS, or those in TARGETS
	fuzz/run.sh $(SECONDS) $(TARGETS)

swagger: ## Write the API's description to swagger.json
	$(CARGO) run --locked --all-features --quiet --example swagger > swagger.json.tmp
	mv swagger.json.tmp swagger.json

clean: ## Remove what was built
	$(CARGO) clean
	rm -rf swagger.json.tmp fuzz/work

distclean: clean ## Remove also config.json and var/, with the data in it
	rm -rf var config.json
