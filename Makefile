# make quickstart   build elt and load real data into SQLite, twice if you like
# make test         everything CI runs
# make help         the rest

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  = -s -w -X elt/cmd.version=$(VERSION)
# An odd base keeps Linux from mapping the program in steps of 2 MB: a process
# then holds what it uses of it. See docs/decisions/2026-11-21-image-base.md.
ifeq ($(shell uname -s),Linux)
LDFLAGS += -extldflags=-Wl,-Ttext-segment=0x410000
endif
# The Snowflake driver would load a library of its own from a temporary file.
TAGS     = minicore_disabled
export GOFLAGS += -tags=$(TAGS)
export CGO_ENABLED = 1

.PHONY: help build quickstart test check unit e2e ui test-ui ui-images cases long kubernetes-real bench bench-shapes image clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

build: ## ./elt
	@scripts/need go cc
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o elt .

quickstart: build ## three public tables from CSV into SQLite
	cd examples/quickstart && ../../elt run tap-csv target-sqlite
	@echo
	@echo "The rows are in examples/quickstart/quickstart.db. Try:"
	@echo "  sqlite3 examples/quickstart/quickstart.db 'select state, count(*) from airports group by 1 order by 2 desc limit 5'"

test: check unit e2e cases test-ui ## all tests: what CI runs

check: ## formatting and vet
	@scripts/need go cc
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo "run gofmt -w on these"; exit 1; }
	$(GO) vet ./...

unit: ## tests of every package, with the race detector
	@scripts/need go cc postgres jdbc
	$(GO) test -race -shuffle=on -timeout 40m $$($(GO) list ./... | grep -v /e2e)
	$(GO) test -tags noui ./internal/ui

e2e: ## the binary as a user runs it, with other people's plugins from PyPI
	@scripts/need go cc postgres sqlite3 python3-venv jdbc
	$(GO) test -shuffle=on -timeout 40m ./e2e/...

WEB = internal/ui/web

ui: ## the pages of the daemon, from internal/ui/web into internal/ui/dist (needs Node)
	@scripts/need node
	cd $(WEB) && npm ci --no-audit --no-fund && npm run --silent types && npm run --silent check && npm run --silent build

test-ui: build ## the pages in a browser, against a real daemon, where Node and Chromium are
	@if scripts/need node chromium; then cd $(WEB) && npm ci --no-audit --no-fund --silent && \
	ELT=$(CURDIR)/elt node --test --test-reporter=spec test/pages.test.mjs; \
	elif [ -n "$$CI" ]; then exit 1; else echo "test-ui: skipped, Node or Chromium is not on this machine"; fi

ui-images: build ## the pictures of docs/images, of a real daemon with real runs
	@scripts/need node chromium
	mkdir -p docs/images && cd $(WEB) && npm ci --no-audit --no-fund --silent && \
	SHOTS=$(CURDIR)/docs/images ELT=$(CURDIR)/elt node test/pictures.mjs

cases: build ## recorded behaviour of Meltano, where the checker is there
	@scripts/need python3
	@if [ -x ../shared/meltano-cases/check ]; then ../shared/meltano-cases/check --elt ./elt; \
	else echo "cases: skipped, ../shared/meltano-cases is not beside this checkout"; fi

long: ## crash and soak runs: 60 kills of each process for each target; a slow target for 75 s
	ELT_TEST_LONG=1 $(GO) test -timeout 60m -v -run 'Kill|Crash|Soak|Slow' ./e2e/...

kubernetes-real: ## Jobs against a real API server and Job controller, built from Go modules (needs etcd)
	@scripts/need go cc etcd
	scripts/kubernetes-real

bench: ## Go benchmarks of the row path
	$(GO) test -run xxx -bench . -benchmem ./bench ./internal/... ./taps/... ./targets/... ./state/...

bench-shapes: build ## elt on wide rows, nested JSON, 200 tables, upserts, beside a floor (ARGS='-rows 20000 -runs 1')
	@scripts/need go postgres
	$(GO) run ./bench/shapes -elt ./elt $(ARGS)

image: ## container images, static and with Python (needs a Docker engine)
	docker build -t elt:$(VERSION) --build-arg VERSION=$(VERSION) .
	docker build -t elt:$(VERSION)-python --target python --build-arg VERSION=$(VERSION) .

clean: ## what make built
	rm -f elt examples/quickstart/quickstart.db*
	rm -rf examples/quickstart/.elt
