# A thin front: every target is a CMake preset, a script in tools/, or ctest.
#   make demo    the main job on real photos with a real pretrained network
#   make check   all tests
SHELL := /bin/bash
JOBS ?= $(shell nproc)
CTEST := ctest --output-on-failure -j $(JOBS)

.PHONY: all deps oracle build asan assets demo check quick check-long fuzz bench bench-peers install format clean

all: build

deps:            ## install the Debian packages of packages.txt (sudo only where not root)
	@tools/deps.sh

oracle:          ## real Keras (JAX back end) in build/oracle, the judge of the interop tests
	@tools/oracle.sh build/oracle

build:           ## build/release/topwork and build/release/examples/*
	@cmake --preset release > /dev/null
	@cmake --build build/release

asan:
	@cmake --preset asan > /dev/null
	@cmake --build build/asan

assets: build    ## demo weights and photos into the caches
	@tools/assets.sh

demo: deps       ## everything, then the main job
	@$(MAKE) --no-print-directory assets
	@tools/demo.sh

quick: build     ## tests of under a minute, before each commit
	@$(CTEST) --test-dir build/release -L quick

check: deps oracle
	@tools/assets.sh weights || echo "check     no EfficientNet-Lite0 weights: proof/lite0 will be skipped"
	@$(MAKE) --no-print-directory build asan
	@echo "== under address and undefined-behaviour sanitizers"
	@$(CTEST) --test-dir build/asan -L 'unit|conform|fuzz'
	@echo "== release"
	@$(CTEST) --test-dir build/release -LE long

check-long: check
	@$(CTEST) --test-dir build/release -L long

fuzz:            ## each fuzzer for SECONDS (60)
	@cmake --preset fuzz > /dev/null && cmake --build build/fuzz
	@tools/fuzz.sh $(or $(SECONDS_EACH),60)

bench: build     ## single ops, trunks, steps, and the program as a user runs it; JSON lines (PHOTOS=FOLDER)
	@tools/bench.sh

bench-peers: build ## the same work in PyTorch and OpenVINO beside ours: ratios (PEERS="--only photos")
	@tools/bench-peers.sh $(PEERS)

install: build
	@cmake --install build/release $(if $(PREFIX),--prefix $(PREFIX))

format:
	@clang-format -i $$(git ls-files '*.c' '*.h')

clean:
	@rm -rf build
