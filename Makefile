# Eaves. `make help` says what there is.

# Build output lies outside the checkout, so that a fresh checkout builds quickly.
export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/eaves/target

# So many random captures are tried by `make soak`; `make test` takes 50.
SOAK_SEEDS ?= 1000

# Each fuzz target runs this long.
FUZZ_SECONDS ?= 60
FUZZ_TARGETS := capture_file wire flow h1 tls hpack h2 grpc websocket quic

.PHONY: help build demo test soak bench fuzz fixtures
.DEFAULT_GOAL := help

help: ## this list
	@sed -nE 's/^([a-z]+):[^#]*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

build: ## the release binary, with what it needs from the system
	@tests/setup.sh build
	cargo build --release --locked
	@echo "built $(CARGO_TARGET_DIR)/release/eaves"

demo: build ## build, replay a real capture, show what comes out
	@tests/demo.sh "$(CARGO_TARGET_DIR)/release/eaves"

test: ## everything: set-up, format, lints, tests
	@tests/setup.sh test
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo test --locked
	cargo test --locked --benches

soak: build ## HTTP/2 under random loss: SOAK_SEEDS (1000) captures against what can be known of their calls
	SOAK_SEEDS=$(SOAK_SEEDS) cargo test --locked --test soak
	@tests/soak.sh "$(CARGO_TARGET_DIR)/release/eaves" $(SOAK_SEEDS)

bench: ## benchmarks of the stages (BENCHMARKS.md says how the whole is measured)
	@tests/setup.sh build
	cargo bench --locked

fuzz: ## each fuzz target for FUZZ_SECONDS (60)
	@tests/setup.sh fuzz
	@for target in $(FUZZ_TARGETS); do \
	  mkdir -p fuzz/corpus/$$target; \
	  RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none $$target fuzz/corpus/$$target fuzz/regressions/$$target -- \
	    -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 || exit 1; \
	done

fixtures: ## make the captures of fixtures/ anew (root, network namespaces)
	@tests/setup.sh test
	fixtures/make.sh
