# What can be done here: make help. Go and make are all that is needed.
SHELL := /bin/sh
.DEFAULT_GOAL := help
GO ?= go

# The modules whose tests are counted, and the packages of each.
MODULES := .=./... api=./... provider=./... devcluster=./internal/...,./test/... tools=./testcount/...
# The packages that reach for no cluster, in which races are looked for.
PURE := .=./internal/core/...,./internal/engine/...,./internal/reconcile/... provider=./...
# Files that are generated and checked in.
GENERATED := api/v1beta1/zz_generated.deepcopy.go 'config/crd/*.yaml' 'provider/v1/*.pb.go'

.PHONY: help
help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: devcluster ## Build every program into bin/.
	$(GO) build -trimpath -o bin/ ./cmd/...
	$(GO) -C provider build -trimpath -o ../bin/ ./cmd/...
	ln -sf kubectl-kahu bin/kubectl_complete-kahu

.PHONY: devcluster
devcluster: bin/devcluster ## Build bin/devcluster, a real Kubernetes in one binary; minutes the first time.

bin/devcluster: $(shell find devcluster -name '*.go' ! -name '*_test.go') devcluster/build.sh devcluster/go.mod devcluster/go.sum devcluster/sidecars/go.mod devcluster/sidecars/go.sum
	devcluster/build.sh bin/devcluster

.PHONY: generate
generate: bin/controller-gen ## Generate the definitions, the deep copies and the Go of the provider contract.
	cd api && ../bin/controller-gen object crd paths=./... output:crd:dir=../config/crd output:object:dir=v1beta1
	$(GO) -C tools tool buf generate ../provider --template ../provider/buf.gen.yaml -o ../provider

.PHONY: check-generated
check-generated: generate ## Fail if what is generated is not what is checked in.
	git diff --exit-code -- $(GENERATED)
	@test -z "$$(git ls-files --others --exclude-standard -- $(GENERATED))" || { echo 'generated files are not checked in'; exit 1; }

.PHONY: lint
lint: bin/golangci-lint ## Check the written rules of .golangci.yml in all modules of the product.
	bin/golangci-lint run ./...
	cd api && ../bin/golangci-lint run ./...
	cd provider && ../bin/golangci-lint run ./...

# go-licenses knows the standard library by its folder, which it takes from GOROOT.
LICENCES := GOROOT="$$($(GO) env GOROOT)" bin/go-licenses

.PHONY: licences
licences: bin/go-licenses ## List the licences of all that is shipped in docs/third-party.md.
	@$(LICENCES) report ./cmd/... github.com/soda-cdm/kahu/provider/... --ignore github.com/soda-cdm/kahu \
		--template tools/audit/licences.tmpl >docs/third-party.md 2>bin/licences.log || { cat bin/licences.log; exit 1; }

.PHONY: check-licences
check-licences: licences ## Fail if something is shipped that is not listed, or whose licence does not permit it.
	git diff --exit-code -- docs/third-party.md
	@$(LICENCES) check ./cmd/... github.com/soda-cdm/kahu/provider/... --disallowed_types=forbidden,restricted,reciprocal,unknown \
		>bin/licences.log 2>&1 || { cat bin/licences.log; exit 1; }

.PHONY: vulncheck
vulncheck: bin/govulncheck ## Look for known vulnerabilities in what is called; says loudly where the database is not to be had.
	@tools/audit/vulncheck.sh bin/govulncheck . provider

.PHONY: vet
vet: ## Run go vet in all modules.
	$(GO) vet -trimpath ./...
	$(GO) -C api vet -trimpath ./...
	$(GO) -C provider vet -trimpath ./...
	$(GO) -C devcluster vet -trimpath ./...
	$(GO) -C tools vet ./testcount/...

.PHONY: test
test: build bin/testcount bin/versitygw ## Run all unit and integration tests; the last line counts them.
	@KAHU_DEVCLUSTER=$(CURDIR)/bin/devcluster bin/testcount $(MODULES)

# How often make e2e has a cluster come and go, which takes eight seconds each time.
ROUNDS ?= 10

.PHONY: e2e
e2e: build devcluster bin/testcount ## Test clusters with nodes, on which pods really run; takes root and devcluster/packages.sh.
	@if bin/devcluster check; then \
		KAHU_E2E_ROUNDS=$(ROUNDS) KAHU_DEVCLUSTER=$(CURDIR)/bin/devcluster bin/testcount devcluster=./e2e && \
		KAHU_NODES=1 GOFLAGS=-run=^TestHooks KAHU_DEVCLUSTER=$(CURDIR)/bin/devcluster bin/testcount -p 1 .=./test/kill,./internal/hook && \
		KAHU_NODES=1 KAHU_DEVCLUSTER=$(CURDIR)/bin/devcluster bin/testcount .=./test/consistency; \
	else \
		echo "0 passed, 0 failed, $$({ $(GO) -C devcluster test -trimpath -list . ./e2e; $(GO) test -trimpath -list ^TestHooks ./test/kill ./internal/hook; $(GO) test -trimpath -list . ./test/consistency; } | grep -c ^Test) SKIPPED for the reason above"; \
	fi

# How long make campaign goes on; KAHU_COLLECTION_SEED makes it one that was.
CAMPAIGNTIME ?= 10m

.PHONY: campaign
campaign: ## Let processes back up, copy, delete, collect and die on two stores for CAMPAIGNTIME, and look for what is lost.
	KAHU_COLLECTION_TIME=$(CAMPAIGNTIME) $(GO) test -trimpath -count 1 -v -timeout 24h -run TestCollection ./test/collection

.PHONY: race
race: bin/testcount ## Look for data races in the packages that need no cluster.
	@bin/testcount -race $(PURE)

# How long make fuzz gives each target, and the packages in which it looks for them.
FUZZTIME ?= 10s
FUZZED ?= ./internal/core/... ./internal/store ./internal/locate ./internal/cluster/... ./internal/reconcile ./providers/nfs/...

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME each; what one finds is written into its testdata and is a test from then on.
	@for package in $$($(GO) list $(FUZZED)); do \
		for target in $$($(GO) test -trimpath -list '^Fuzz' $$package | grep '^Fuzz'); do \
			echo "$$package $$target"; \
			$(GO) test -trimpath -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s -parallel 2 $$package || exit 1; \
		done; \
	done
	@cd provider && for target in $$($(GO) test -trimpath -list '^Fuzz' . | grep '^Fuzz'); do \
		echo "provider $$target"; \
		$(GO) test -trimpath -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s -parallel 2 . || exit 1; \
	done

.PHONY: demo
demo: build ## Back up an application, lose it, restore it, in two real clusters; KEEP=1 leaves them running.
	@$(GO) run -trimpath ./test/demo

.PHONY: drill
drill: build bin/versitygw ## Lose a whole cluster, and bring it back from a bucket and a key with one command; compares everything.
	@$(GO) run -trimpath ./test/demo --drill

.PHONY: demo-volumes
demo-volumes: build ## Back up the data of an application that writes, lose it, restore it, on a node where pods run; takes root.
	@bin/devcluster check && $(GO) run -trimpath ./test/demo --volumes

.PHONY: bench
bench: build ## Measure backup and restore of 10,000 objects against a plain list and a plain create; some minutes.
	@$(GO) run -trimpath ./test/bench

.PHONY: bench-large
bench-large: build ## The same with 100,000 objects, a small restore into them, and 300,000; an hour on a small machine.
	@$(GO) run -trimpath ./test/bench --objects 100000 --namespaces 100 --rounds 3 --small
	@$(GO) run -trimpath ./test/bench --objects 300000 --namespaces 500 --rounds 1

bin/controller-gen: tools/go.mod tools/go.sum
	$(GO) -C tools build -trimpath -o ../bin/ sigs.k8s.io/controller-tools/cmd/controller-gen

bin/golangci-lint: tools/lint/go.mod tools/lint/go.sum
	$(GO) -C tools/lint build -trimpath -o ../../bin/ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

bin/go-licenses: tools/audit/go.mod tools/audit/go.sum
	$(GO) -C tools/audit build -trimpath -o ../../bin/ github.com/google/go-licenses/v2

bin/govulncheck: tools/audit/go.mod tools/audit/go.sum
	$(GO) -C tools/audit build -trimpath -o ../../bin/ golang.org/x/vuln/cmd/govulncheck

bin/versitygw: tools/versitygw/go.mod tools/versitygw/go.sum
	$(GO) -C tools/versitygw build -trimpath -o ../../bin/ github.com/versity/versitygw/cmd/versitygw

bin/testcount: $(wildcard tools/testcount/*.go) tools/go.mod
	$(GO) -C tools build -trimpath -o ../bin/ ./testcount
