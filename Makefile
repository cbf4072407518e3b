# hindcast's build. `make help` lists what there is.
#
# `make test` is the whole test and does all the set-up it needs: it fetches an
# Alertmanager, a Prometheus, the ClickHouse engine and a Kafka broker into .cache/
# once, and builds the linter there.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

CACHE    := $(CURDIR)/.cache
LINTER   := $(CACHE)/bin/golangci-lint
BUF      := BUF_CACHE_DIR='$(CACHE)/buf' $(CACHE)/bin/buf
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
REVISION ?= $(shell git rev-parse HEAD 2>/dev/null)
LDFLAGS  := -s -w \
	-X github.com/prometheus/common/version.Version=$(VERSION) \
	-X github.com/prometheus/common/version.Revision=$(REVISION)

# What can be set: how long each decoder is fuzzed, what go test is given, which
# packages are tested, flags of hindcast-soak, what is built for.
FUZZTIME ?= 3s
TESTFLAGS ?=
PACKAGES ?= ./...
SOAKFLAGS ?=
TARGETS ?= linux/amd64 linux/arm64 darwin/arm64 windows/amd64

# The race detector needs a C compiler; the binary does not. SQLite is a C library
# that was translated to Go: under the detector it is most of what the tests take.
# Its package alone goes without; the driver and all that calls it do not.
RACE := $(if $(shell command -v cc || command -v gcc || command -v clang),-race)
RACEFLAGS := $(if $(RACE),-race -gcflags=modernc.org/sqlite/lib=-race=false)

export CGO_ENABLED ?= 0

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/hindcast
	go build -trimpath -ldflags '$(LDFLAGS)' -o bin/hindcast ./cmd/hindcast

.PHONY: test
test: check lint fuzz test-race ## Everything that CI runs: checks, linter, builds, fuzzing, all tests with the race detector

.PHONY: test-race
test-race: components ## All tests with the race detector, the real components included (go vet is in check)
	@[[ -n '$(RACE)' ]] || echo 'There is no C compiler: the tests run without the race detector.'
	set -a; . '$(CACHE)/components.env'; set +a; \
	CGO_ENABLED=$(if $(RACE),1,0) go test $(RACEFLAGS) -vet=off -timeout=15m $(TESTFLAGS) $(PACKAGES)

.PHONY: quick
quick: ## Short tests without set-up: what needs a component is skipped
	go test -short $(TESTFLAGS) $(PACKAGES)

.PHONY: check
check: ## Formatting, go vet, tidy and unchanged modules
	@unformatted=$$(git ls-files -co --exclude-standard '*.go' | xargs gofmt -l); \
	if [[ -n $$unformatted ]]; then echo "not formatted with gofmt:"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	go mod tidy -diff
	go mod verify

.PHONY: lint
lint: $(LINTER) proto-check ## Run golangci-lint and buf (built once into .cache)
	GOLANGCI_LINT_CACHE='$(CACHE)/golangci-lint' $(LINTER) run ./...

$(LINTER): .ci/tools/golangci-lint/go.mod .ci/tools/golangci-lint/go.sum
	cd .ci/tools/golangci-lint && go build -ldflags='-s -w' -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

.PHONY: proto-check
proto-check: $(CACHE)/bin/buf ## Lint the envelope, and refuse changes that break who reads or writes it
	cd proto && $(BUF) lint && $(BUF) format --diff --exit-code && $(BUF) breaking --against baseline.binpb

.PHONY: proto-baseline
proto-baseline: $(CACHE)/bin/buf ## Make the envelope as it is now what later changes must not break (see proto/README.md)
	cd proto && $(BUF) build --exclude-source-info -o baseline.binpb

$(CACHE)/bin/buf: .ci/tools/buf/go.mod .ci/tools/buf/go.sum
	cd .ci/tools/buf && go build -ldflags='-s -w' -o $@ github.com/bufbuild/buf/cmd/buf

.PHONY: cross
cross: ## Build without cgo for other systems (TARGETS); takes some minutes
	for target in $(TARGETS); do \
		echo "GOOS=$${target%/*} GOARCH=$${target#*/} go build ./cmd/hindcast"; \
		CGO_ENABLED=0 GOOS=$${target%/*} GOARCH=$${target#*/} go build -o /dev/null ./cmd/hindcast; \
	done

.PHONY: fuzz
fuzz: ## Fuzz every decoder and parser for FUZZTIME each (3s)
	.ci/fuzz $(FUZZTIME)

.PHONY: bench
bench: ## Measure throughput, latency and memory against their targets (some minutes, 2 GB of disk)
	go run ./cmd/hindcast-bench

.PHONY: bench-clickhouse
bench-clickhouse: components ## The same on ClickHouse, with 50 million lines (some ten minutes, 10 GB of disk)
	set -a; . '$(CACHE)/components.env'; set +a; \
	go run ./cmd/hindcast-bench -store clickhouse

.PHONY: bench-kafka
bench-kafka: components ## Log lines from Kafka to ClickHouse against the same over HTTP (some five minutes, 2 GB of disk)
	set -a; . '$(CACHE)/components.env'; set +a; \
	go run ./cmd/hindcast-bench -store kafka

.PHONY: soak
soak: components ## A million messages through Kafka while consumers are killed, the broker restarted and the store frozen (some five minutes)
	set -a; . '$(CACHE)/components.env'; set +a; \
	go run ./cmd/hindcast-soak $(SOAKFLAGS)

.PHONY: cover
cover: components ## Tests with coverage, as .cache/cover.html
	set -a; . '$(CACHE)/components.env'; set +a; \
	go test -coverprofile='$(CACHE)/cover.out' -coverpkg=./... $(PACKAGES)
	go tool cover -html='$(CACHE)/cover.out' -o '$(CACHE)/cover.html'
	go tool cover -func='$(CACHE)/cover.out' | tail -1

.PHONY: components
components: ## Fetch the real Alertmanager, Prometheus, ClickHouse engine and Kafka into .cache, once
	@mkdir -p '$(CACHE)'
	@.ci/components > '$(CACHE)/components.env'

.PHONY: clean
clean: ## Remove what was built; .cache stays (make distclean removes it too)
	rm -rf bin dist

.PHONY: distclean
distclean: clean ## Remove all that was built and fetched
	rm -rf '$(CACHE)'
