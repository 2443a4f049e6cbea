# Build, try, test: `make help` lists the targets.

CARGO ?= cargo
PROGRAM := target/release/treering

# Where `make servers` puts what the tests need; and Debian keeps servers where only root looks.
SERVERS := target/servers
export PATH := $(PATH):/usr/sbin:$(CURDIR)/$(SERVERS)/usr/bin:$(CURDIR)/$(SERVERS)/usr/sbin

.DEFAULT_GOAL := all
.PHONY: all help release demo run test crash servers bench bench-micro fuzz swagger schema clean distclean

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
test: servers ## Run all tests; unpacks nats-server and prometheus from Debian if they are missing
	$(CARGO) test --locked --all-features

KILLS ?= 200

crash: servers ## Kill the program 200 times (KILLS=…) while it is written to, and read everything back
	$(CARGO) build --locked
	python3 tests/crash/crash.py --kills $(KILLS) target/debug/treering

# Real servers to test against. Their packages are unpacked and not installed: no service starts, nobody needs to be root.
servers: ## Fetch nats-server and prometheus from Debian, if they are missing
	@for name in nats-server prometheus; do \
		command -v $$name >/dev/null && continue; \
		echo "The tests need $$name: fetching it with apt-get."; \
		mkdir -p $(SERVERS) && (cd $(SERVERS) && rm -f $${name}_*.deb && \
			{ apt-get download -qq $$name || { $$([ "$$(id -u)" = 0 ] || echo sudo) apt-get update -qq && \
				apt-get download -qq $$name; }; } && \
			dpkg-deb -x $${name}_*.deb . && rm -f $${name}_*.deb); \
		command -v $$name >/dev/null && continue; \
		echo "$$name could not be fetched: install it by hand, from your distribution or its makers, so that it" >&2; \
		echo "is found in PATH, and run this again." >&2; \
		[ $$name = prometheus ] || exit 1; \
		echo "The tests beside a real Prometheus will say SKIPPED." >&2; \
	done

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

schema: ## Write the config's JSON schema to configs/treering.schema.json
	$(CARGO) run --locked --all-features --quiet --example schema > treering.schema.json.tmp
	mv treering.schema.json.tmp configs/treering.schema.json

clean: ## Remove what was built
	$(CARGO) clean
	rm -rf swagger.json.tmp treering.schema.json.tmp fuzz/work

distclean: clean ## Remove also config.json and var/, with the data in it
	rm -rf var config.json
