# The entry points for people and CI.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

CARGO ?= cargo
PYTHON := PYTHONPATH=.tools/python python3
EVAL := PYTHONPATH=.tools/eval python3
NODE_CLIENT := tests/clients/node
JAVA_CLIENT := clients/java
MAVEN := mvn --batch-mode --no-transfer-progress
BUF := $(NODE_CLIENT)/node_modules/.bin/buf
# For `make eval`.
SOURCES ?= 40
SEED ?= 0
KINDS ?= usual
# For `make fuzz`.
FUZZ_SECONDS ?= 60
# For `make coverage`: the version of LLVM of rust-toolchain.toml's compiler.
LLVM := 22
# For `make soak`.
SOAK_SECONDS ?= 600

.PHONY: help run build image test check contract rust redis opensearch clients client-go client-node client-java stubs languages browser console chromium chart systemd mesh instructions lint doc deny sbom bench bench-gateway measure measure-cluster lists eval gallery fuzz soak coverage loom

help: ## Lists the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 15

run: ## Runs the gateway with the default configuration
	$(CARGO) run --release -- serve

build: ## Builds the optimised binary, target/release/samegate
	$(CARGO) build --release --locked --bin samegate

image: ## Builds the container image (Docker or Podman)
	docker build --tag samegate .

test: export TOLERANCE ?= 0.1
test: lint rust clients browser console chart mesh instructions ## Runs all checks and tests; installs what they need

check: lint doc rust ## Checks a commit: lint, doc and the Rust tests

# `-D warnings` applies only to this workspace, so dependencies are not built again.
lint: .tools/node ## Checks formatting, clippy and the protobuf contract
	$(CARGO) fmt --all --check
	$(BUF) lint
	$(BUF) breaking --against proto/contract.binpb
	$(CARGO) clippy --workspace --all-targets -- -D warnings

contract: .tools/node ## Records the contract of a release, which `make lint` compares with later ones
	$(BUF) build --exclude-source-info --output proto/contract.binpb

rust: redis opensearch ## Runs unit, integration and doc tests
	$(CARGO) test --workspace

# Installs a Debian package unless its command is there: $(call debian-package,COMMAND,PACKAGE).
# An outdated or missing package index is updated.
define debian-package
@command -v $(1) >/dev/null || { \
	root=$$(test "$$(id -u)" = 0 || echo sudo); \
	install="$$root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(2)"; \
	$$install || { $$root apt-get update -qq && $$install; }; }
endef

# The tests of shared quotas start a Redis server on a free port, the tutorial uses jq.
redis:
	$(call debian-package,redis-server,redis-server)
	$(call debian-package,jq,jq)

# The tests of libraries in OpenSearch start nodes of it on free ports. OpenSearch is on Maven Central
# as jars, without its launcher; tests/cluster/Cluster.java starts a node.
opensearch: .tools/opensearch
	$(call debian-package,javac,default-jdk-headless)

.tools/opensearch: tests/cluster/pom.xml tests/cluster/Cluster.java
	$(call debian-package,javac,default-jdk-headless)
	$(call debian-package,mvn,maven)
	rm -rf $@ $@.new
	mvn --quiet --batch-mode --file $< dependency:copy-dependencies -DincludeScope=runtime \
		-DoutputDirectory=$(CURDIR)/$@.new
	javac -cp '$@.new/*' -d $@.new/classes tests/cluster/Cluster.java
	touch $@.new
	mv $@.new $@

# `cargo test` builds the binary too. `cargo build` would resolve features without
# the dev-dependencies, and build many crates again.
clients: languages .tools/python .tools/node .tools/java client-go client-node client-java ## Tests the vendor's clients and the packages of clients/ against a gateway
	$(CARGO) test --workspace --no-run
	$(PYTHON) tests/clients/run.py target/debug/samegate
	$(PYTHON) tests/clients/python/package.py target/debug/samegate
	set -e; for language in python rust; do \
		$(PYTHON) tests/clients/python/examples.py target/debug/samegate $$language; \
	done

client-node: .tools/python .tools/node .tools/node-client
	$(CARGO) test --workspace --no-run
	SAMEGATE_BINARY=$(CURDIR)/target/debug/samegate BUF=$(CURDIR)/$(BUF) npm test --silent --prefix clients/node
	$(PYTHON) tests/clients/python/examples.py target/debug/samegate node

# Generates the messages of the Go package: $(call stubs-go,FOLDER). The contract's `go_package` is that
# of other users.
GO_OPTIONS := module=samegate,Msamegate/v1/same_image.proto=samegate/v1;samegatev1
stubs-go = $(PYTHON) -m grpc_tools.protoc -Iproto --plugin=.tools/go/protoc-gen-go --plugin=.tools/go/protoc-gen-go-grpc \
	--go_out=$(1) '--go_opt=$(GO_OPTIONS)' --go-grpc_out=$(1) '--go-grpc_opt=$(GO_OPTIONS)' samegate/v1/same_image.proto

# The package, its examples, and grpcurl, which is written in Go.
client-go: .tools/python .tools/go
	mkdir -p .tools/go/stubs .tools/go/examples
	$(call stubs-go,.tools/go/stubs)
	diff -r .tools/go/stubs/v1 clients/go/v1 || { echo "the contract has changed: run make stubs"; exit 1; }
	gofmt -l clients/go | { ! grep .; }
	cd clients/go && go vet ./... && go build -buildvcs=false -o ../../.tools/go/examples/ ./examples/...
	$(CARGO) test --workspace --no-run
	cd clients/go && SAMEGATE_BINARY=$(CURDIR)/target/debug/samegate go test -count=1 .
	$(PYTHON) tests/clients/python/examples.py target/debug/samegate go
	$(PYTHON) tests/clients/python/grpcurl.py target/debug/samegate .tools/go/grpcurl

client-java: .tools/python .tools/java-client .tools/protoc-java
	$(CARGO) test --workspace --no-run
	rm -rf .tools/java-stubs
	$(call java-stubs,.tools/java-stubs)
	diff --recursive .tools/java-stubs/com/samegate/v1 $(JAVA_CLIENT)/src/main/java/com/samegate/v1 || { echo "the contract has changed: run make stubs"; exit 1; }
	SAMEGATE_BINARY=$(CURDIR)/target/debug/samegate $(MAVEN) --file $(JAVA_CLIENT)/pom.xml verify
	$(PYTHON) tests/clients/python/examples.py target/debug/samegate java

stubs: .tools/python .tools/node .tools/node-client .tools/go .tools/protoc-java ## Generates the messages of the packages in clients/ from the contract
	$(PYTHON) -m grpc_tools.protoc -Iproto --python_out=clients/python/src --pyi_out=clients/python/src \
		--grpc_python_out=clients/python/src proto/samegate/v1/same_image.proto
	$(BUF) generate --template clients/node/buf.gen.yaml
	$(call stubs-go,clients/go)
	rm -rf $(JAVA_CLIENT)/src/main/java/com/samegate/v1
	$(call java-stubs,$(JAVA_CLIENT)/src/main/java)

# Generates the messages and stubs of Java: $(call java-stubs,FOLDER). gRPC's Python tools have the
# messages that the contract imports.
define java-stubs
mkdir -p $(1)
.tools/protoc-java/protoc -Iproto -I.tools/python/grpc_tools/_proto --java_out=$(1) --grpc-java_out=$(1) \
	--plugin=protoc-gen-grpc-java=.tools/protoc-java/protoc-gen-grpc-java proto/samegate/v1/same_image.proto
endef

# Those of the vendor's samples, besides Python and Node.
languages:
	$(call debian-package,curl,curl)
	$(call debian-package,openssl,openssl)
	$(call debian-package,php,php-cli php-curl)
	$(call debian-package,java,default-jdk-headless)
	$(call debian-package,mvn,maven)
	$(call debian-package,g++,g++)
	$(call debian-package,curl-config,libcurl4-openssl-dev)
	$(call debian-package,mcs,mono-mcs)

browser: chromium .tools/python ## Lets web pages in Chromium attack a gateway
	$(CARGO) test --workspace --no-run
	$(PYTHON) tests/browser/run.py target/debug/samegate

console: chromium .tools/python .tools/console .tools/console-node ## Drives the console in Chromium: [WRITE=1] writes the screenshots of docs/console.md
	$(CARGO) test --workspace --no-run
	PYTHONPATH=.tools/python:.tools/console python3 tests/console/run.py target/debug/samegate

chromium:
	$(call debian-package,chromium,chromium)

# Helm and Kubernetes' schemas are Python packages, the definitions of custom
# resources are Node packages. Nothing is compiled, and no cluster is needed.
chart: systemd .tools/chart .tools/chart-node ## Tests the Helm chart, the image, objects of docs/mesh.md, docs/deployment.md
	$(CARGO) test --workspace --no-run
	PYTHONPATH=.tools/chart python3 tests/chart/run.py target/debug/samegate

systemd:
	$(call debian-package,systemd-analyze,systemd)

mesh: .tools/python .tools/mesh ## Tests gateways behind Envoy
	$(CARGO) test --workspace --no-run
	PYTHONPATH=.tools/python:.tools/mesh python3 tests/mesh/run.py target/debug/samegate

# A change for speed writes new figures; so does one that is worth what it costs. `make test` tolerates what
# another machine counts.
instructions: .tools/python ## Compares instructions of calls with tests/instructions/figures.json: [WRITE=1] [TOLERANCE=0.03]
	$(call debian-package,valgrind,valgrind)
	$(CARGO) test --workspace --no-run
	$(PYTHON) tests/instructions/run.py target/debug/samegate tests/instructions/figures.json

doc: ## Builds the API documentation; fails on broken links
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" $(CARGO) doc --workspace --no-deps --document-private-items

# Without a connection to the database of advisories, the other checks still count.
deny: ## Checks licences, sources, duplicates and advisories of dependencies (builds cargo-deny)
	test -x .tools/bin/cargo-deny || $(CARGO) install --locked --root .tools cargo-deny
	.tools/bin/cargo-deny check bans licenses sources
	@if .tools/bin/cargo-deny fetch db; then \
		.tools/bin/cargo-deny check --disable-fetch advisories; \
	else \
		echo "advisories NOT CHECKED: the RustSec database cannot be reached"; \
	fi

sbom: ## Writes the SBOM, target/samegate.cdx.json (builds cargo-cyclonedx)
	test -x .tools/bin/cargo-cyclonedx || $(CARGO) install --locked --root .tools cargo-cyclonedx
	PATH=".tools/bin:$$PATH" $(CARGO) cyclonedx --describe binaries --format json --spec-version 1.5
	sed "s|$(CURDIR)/*|/samegate/|g" samegate_bin.cdx.json > target/samegate.cdx.json
	rm samegate_bin.cdx.json

bench: ## Runs benchmarks of the engine and of the gateway
	$(CARGO) bench --workspace

# Envoy is a Python package.
bench-gateway: .tools/python .tools/mesh ## Compares the gateway with Envoy and others: [ROUNDS=5] [SECONDS=1]
	$(CARGO) build --release --locked
	cd bench && $(CARGO) build --release --locked
	PYTHONPATH=.tools/python:.tools/mesh python3 bench/run.py target/release/samegate

measure: ## Libraries of 50,000 to a million synthetic images (15 minutes, 20 GB of disk)
	$(CARGO) run --release -p same-image --example measure_libraries

lists: ## Listings and deletions in a library of a million records (10 minutes, 1 GB of disk)
	$(CARGO) run --release -p same-image --example measure_lists

measure-cluster: opensearch ## Measures a library in OpenSearch: [IMAGES=10000] [NODES=1] [DONORS=DIR] [QUERIES=DIR] [SOURCES=40]
	$(CARGO) test --release --workspace --test it -- --ignored --nocapture measures_a_library_in_opensearch

eval: .tools/eval ## Measures recall, false matches, calibration: LIBRARY=… BACKGROUND=… NEGATIVE=… [HARD=…] [SOURCES=40] [SEED=0] [KINDS=usual]
	$(CARGO) build --release
	$(CARGO) build --release -p same-image --example measure_matches
	$(EVAL) eval/run.py target/release/samegate --library "$(LIBRARY)" --background "$(BACKGROUND)" \
		--negative "$(NEGATIVE)" --sources $(SOURCES) --seed $(SEED) --kinds $(KINDS) \
		--matches target/release/examples/measure_matches $(if $(HARD),--hard "$(HARD)")

gallery: ## Draws the images of docs/engine.md and prints its table
	$(CARGO) test -p same-image --test gallery -- --ignored --nocapture

soak: ## Runs 24 clients against an embedded library: [SOAK_SECONDS=600]
	SOAK_SECONDS=$(SOAK_SECONDS) $(CARGO) test --workspace --test it -- --ignored --nocapture memory_stays_flat

# Processes that the tests start are counted too, except those that they kill. A kill while
# a profile is written leaves an invalid one, which is left out. Instrumented code is slow, so a
# test with a limit of time may fail: `make rust` decides, not this.
coverage: redis opensearch .tools/bin/cargo-llvm-cov ## Measures line coverage of the Rust tests (installs LLVM's tools)
	$(call debian-package,llvm-cov-$(LLVM),llvm-$(LLVM))
	LLVM_COV=llvm-cov-$(LLVM) LLVM_PROFDATA=llvm-profdata-$(LLVM) \
		.tools/bin/cargo-llvm-cov llvm-cov --workspace --ignore-run-fail --failure-mode all --summary-only

.tools/bin/cargo-llvm-cov:
	$(CARGO) install --locked --root .tools cargo-llvm-cov@0.9.1

loom: ## Tests all interleavings of threads in the concurrent parts
	RUSTFLAGS="--cfg interleavings" $(CARGO) test --target-dir target/loom --lib -p samegate interleavings

# RUSTC_BOOTSTRAP allows the sanitizer in the pinned compiler, so that no second toolchain is needed.
# Interesting inputs are kept in fuzz/corpus beside each crate, failing ones in fuzz/artifacts.
FUZZ = mkdir -p fuzz/corpus/$$target && RUSTC_BOOTSTRAP=1 $(CURDIR)/.tools/bin/cargo-fuzz run $$target fuzz/corpus/$$target
FUZZ_LIMITS := -max_total_time=$(FUZZ_SECONDS) -timeout=20 -rss_limit_mb=4096 -print_final_stats=1

fuzz: .tools/bin/cargo-fuzz ## Fuzz targets of the parsers in sequence: [FUZZ_SECONDS=60] each
	set -e; for target in form multipart base64 json jwt response config; do \
		$(FUZZ) fuzz/seeds/$$target -- $(FUZZ_LIMITS) -dict=fuzz/tokens.dict; \
	done
	set -e; cd crates/engine; for target in decode record features segment; do \
		$(FUZZ) tests/data -- $(FUZZ_LIMITS); \
	done

.tools/bin/cargo-fuzz:
	$(CARGO) install --locked --root .tools cargo-fuzz@0.13.1

# `--target` needs neither a venv package nor a writable system Python.
.tools/python: tests/clients/python/requirements.txt
.tools/eval: eval/requirements.txt
.tools/chart: tests/chart/requirements.txt
.tools/mesh: tests/mesh/requirements.txt
.tools/console: tests/console/requirements.txt
.tools/python .tools/eval .tools/chart .tools/mesh .tools/console:
	rm -rf $@
	python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
		--target $@ -r $<
	touch $@

# Not `npm ci`: it rejects a lock file without the binaries of buf for other
# systems than the one it was written on.
.tools/node: $(NODE_CLIENT)/package.json $(NODE_CLIENT)/package-lock.json
	npm install --no-save --no-audit --no-fund --prefix $(NODE_CLIENT)
	mkdir -p .tools && touch $@

# Also builds the package.
.tools/node-client: clients/node/package.json clients/node/package-lock.json
	npm install --no-save --no-audit --no-fund --prefix clients/node
	mkdir -p .tools && touch $@
# Its go.mod has the versions, which are those of the package where both use a module, so that `go` compiles it once.
.tools/go: tests/clients/go/go.mod
	rm -rf $@
	cd tests/clients/go && GOBIN=$(CURDIR)/$@ go install tool
	touch $@

.tools/java: tests/clients/java/pom.xml
	rm -rf $@
	mvn --quiet --batch-mode --file $< dependency:copy-dependencies -DoutputDirectory=$(CURDIR)/$@
	touch $@

# The jars of the package and its dependencies, and the classes of its examples.
.tools/java-client: $(JAVA_CLIENT)/pom.xml $(shell find $(JAVA_CLIENT)/src $(JAVA_CLIENT)/examples -name '*.java')
	rm -rf $@ $@.new
	$(MAVEN) --quiet --file $< package dependency:copy-dependencies -DskipTests -DincludeScope=runtime \
		-DoutputDirectory=$(CURDIR)/$@.new
	cp $(JAVA_CLIENT)/target/samegate-client-*.jar $@.new/
	javac -cp '$@.new/*' -d $@.new/examples $(JAVA_CLIENT)/examples/*.java
	mv $@.new $@

.tools/protoc-java: $(JAVA_CLIENT)/pom.xml
	$(call debian-package,mvn,maven)
	$(MAVEN) --quiet --file $< dependency:copy -DoutputDirectory=$(CURDIR)/$@
	chmod +x $@/*
	touch $@

.tools/console-node: tests/console/package.json tests/console/package-lock.json
	npm install --no-save --no-audit --no-fund --prefix tests/console
	mkdir -p .tools && touch $@

# Its packages declare a newer Node than they need, so npm's warnings are hidden.
.tools/chart-node: tests/chart/node/package.json tests/chart/node/package-lock.json
	npm install --no-save --no-audit --no-fund --loglevel=error --prefix tests/chart/node
	mkdir -p .tools && touch $@
