# Sluice. `make help` lists the targets; V=1 shows the commands.

BUILD   ?= build
FLAVOUR ?= release
CC      ?= cc
OUT     := $(BUILD)/$(FLAVOUR)
VERSION := $(shell cat .version 2>/dev/null || echo 0.1.0)

LUA_CFLAGS := $(shell pkg-config --cflags lua5.4 2>/dev/null)
LIBS := $(shell pkg-config --libs lua5.4 libcurl yaml-0.1 libcjson libmicrohttpd libcrypto zlib 2>/dev/null) -lmpfr -lgmp -lm

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Werror
CFLAGS_release := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong
CFLAGS_asan    := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
CFLAGS_fuzz    := -O1 -g -fsanitize=address,undefined,fuzzer-no-link -fno-omit-frame-pointer -Wno-unused-variable # SCOPED uses it
CFLAGS_cover   := -O0 -g --coverage
LDFLAGS_asan   := -fsanitize=address,undefined
LDFLAGS_fuzz   := -fsanitize=address,undefined
LDFLAGS_cover  := --coverage
# Hidden: a function of ours that has the name of a library's inner one (yaml_free) must not stand in for it.
ALL_CFLAGS = -std=c11 -fvisibility=hidden -D_GNU_SOURCE -DSLUICE_VERSION='"$(VERSION)"' -Iengine $(LUA_CFLAGS) $(WARNINGS) \
	$(CFLAGS_$(FLAVOUR)) $(CFLAGS) -MMD -MP
ALL_LDFLAGS = $(LDFLAGS_$(FLAVOUR)) $(LDFLAGS)

ENGINE  := $(filter-out engine/main.c,$(wildcard engine/*.c engine/*/*.c))
SPECS   := $(wildcard spec/engine/*.c)
LUA     := $(filter-out lua/meta/%,$(sort $(wildcard lua/*.lua lua/*/*.lua policies/*.lua)))
CLUSTER_SPECS := $(wildcard spec/cluster/*.c)
OBJECTS := $(ENGINE:%.c=$(OUT)/%.o) $(OUT)/embedded.o
SPEC_OBJECTS := $(SPECS:%.c=$(OUT)/%.o)
TIDY := $(patsubst %.c,$(OUT)/%.tidy,$(wildcard engine/*.c engine/*/*.c spec/engine/*.c spec/cluster/*.c spec/stores/*.c))

Q := $(if $(V),,@)
say = $(if $(V),,@printf '%-5s %s\n' $(1) $(2))

.DEFAULT_GOAL := all
.PHONY: all help test test-unit test-cli test-scenarios test-cluster e2e bench-cluster demo bench-policies bench-fleet lint fmt tidy \
	clean
.SECONDARY:

all: $(OUT)/sluice ## build the binary

help: ## this list
	@grep -hE '^[a-z0-9%-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-15s %s\n", $$1, $$2}'

# An archive, so that a program links only the parts that it uses.
$(OUT)/engine.a: $(OBJECTS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(OUT)/sluice: $(OUT)/engine/main.o $(OUT)/engine.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(OUT)/spec-engine: $(SPEC_OBJECTS) $(OUT)/engine.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(OUT)/spec-cluster: $(CLUSTER_SPECS:%.c=$(OUT)/%.o) $(OUT)/spec/engine/golden.o $(OUT)/engine.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

# What the end-to-end tests run besides the engine. The demo app serves with threads of its own.
E2E_PROGRAMS := $(OUT)/e2e-app $(OUT)/e2e-kubelet $(OUT)/e2e-mesh $(OUT)/e2e-receiver
E2E_PARTS := $(patsubst %,$(OUT)/tools/e2e/%.o,envoy pod route v1beta1)
$(OUT)/e2e-app: $(OUT)/tools/e2e/grpc.o
$(OUT)/e2e-app: LIBS += -lnghttp2
.PHONY: e2e-programs
e2e-programs: $(E2E_PROGRAMS)
$(E2E_PROGRAMS): $(OUT)/e2e-%: $(OUT)/tools/e2e/%.o $(E2E_PARTS) $(OUT)/engine.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(OUT)/%.o: %.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(OUT)/embedded.c: $(LUA) Makefile
	$(call say,EMBED,$@)
	@mkdir -p $(@D)
	$(Q){ echo '#include "script/embed.h"'; i=0; for f in $(LUA); do \
	  printf 'static const unsigned char file_%d[] = {' $$i; od -An -v -tx1 $$f | sed 's/ \(..\)/0x\1,/g'; echo '0};'; \
	  i=$$((i+1)); done; \
	  echo 'const struct embed_file embed_files[] = {'; i=0; for f in $(LUA); do \
	  printf '{"%s", file_%d, sizeof(file_%d) - 1},\n' $$f $$i $$i; i=$$((i+1)); done; echo '{0, 0, 0}};'; } > $@.tmp && mv $@.tmp $@

$(OUT)/embedded.o: $(OUT)/embedded.c
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

# The libraries are looked up when make starts: what was just installed needs another make.
test: ## install what is missing, and run all tests
	$(Q)tools/setup.sh all
	$(Q)$(MAKE) --no-print-directory test-unit
	$(Q)$(MAKE) --no-print-directory test-cli
	$(Q)$(MAKE) --no-print-directory test-scenarios
	$(Q)$(MAKE) --no-print-directory test-crashes STRIDE=41
	$(Q)$(MAKE) --no-print-directory test-random N=300
	$(Q)$(MAKE) --no-print-directory test-cluster
	$(Q)$(MAKE) --no-print-directory test-stores
	$(Q)$(MAKE) --no-print-directory fuzz-all FUZZ_SECONDS=1

demo: ## a release promoted and one rolled back, on an embedded cluster
	$(Q)tools/setup.sh build
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tools/demo.sh $(OUT)/sluice

test-unit: $(OUT)/spec-engine ## unit specs of the engine (ONLY=substring)
	$(Q)$(OUT)/spec-engine $(ONLY)

test-cli: $(OUT)/sluice ## the program as a user runs it
	$(Q)spec/cli/run.sh $(OUT)/sluice

test-scenarios: $(OUT)/sluice ## whole releases, compared as text (ONLY=substring, UPDATE=1)
	$(Q)spec/scenarios/run.sh $(OUT)/sluice $(ONLY)

STRIDE ?= 1
.PHONY: test-crashes
test-crashes: $(OUT)/sluice ## each strategy with the daemon killed at each call (STRIDE=41: each 41st)
	$(Q)spec/scenarios/crashes.sh $(OUT)/sluice $(STRIDE)

test-cluster: $(OUT)/sluice $(OUT)/spec-cluster ## the daemon against an API server over HTTP (KUBECONFIG=… MAKE_READY=1)
	$(Q)spec/cluster/run.sh $(OUT)/sluice $(OUT)/spec-cluster

.PHONY: e2e-control
e2e-control: ## stories of the daemon on a real control plane, which is built once (ONLY=word)
	$(Q)tools/setup.sh e2e
	$(Q)$(MAKE) --no-print-directory all $(OUT)/spec-cluster $(E2E_PROGRAMS)
	$(Q)PROGRAMS=$(CURDIR)/$(OUT) tools/e2e/control.sh $(ONLY)

$(OUT)/bench-policies: $(OUT)/tools/bench/policies.o $(OUT)/spec/engine/hostile.o $(OUT)/engine.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

bench-policies: $(OUT)/bench-policies ## what hostile policies take of the engine's time
	$(Q)$(OUT)/bench-policies

$(OUT)/bench-rehearsals: $(OUT)/tools/bench/rehearsals.o $(OUT)/engine.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

.PHONY: bench bench-rehearsals
bench-rehearsals: $(OUT)/sluice $(OUT)/bench-rehearsals ## how long a dry run takes
	$(Q)$(OUT)/bench-rehearsals $(OUT)/sluice

bench: ## all figures that have a bound in the design (twelve minutes)
	$(Q)status=0; for part in rehearsals policies fleet; do \
	  $(MAKE) --no-print-directory bench-$$part || status=1; done; exit $$status

$(OUT)/bench-fleet: $(OUT)/tools/bench/fleet.o $(OUT)/engine.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

bench-fleet: $(OUT)/sluice $(OUT)/bench-fleet ## memory and time of the daemon with many canaries (ten minutes)
	$(Q)status=0; $(OUT)/bench-fleet $(OUT)/sluice 1000 release || status=1; \
	  $(OUT)/bench-fleet $(OUT)/sluice 10000 release 1000 || status=1; exit $$status

# What is fetched and built once for it: tools/README.md. The value of PEER as it is written: its $NAMES are the shell's.
e2e: export E2E_PEER := $(value PEER)
e2e: ## stories on a real cluster with a real data plane, then e2e-control (ONLY=word, KUBECONFIG=…, PEER='another controller')
	$(Q)tools/setup.sh e2e
	$(Q)$(MAKE) --no-print-directory all e2e-programs $(OUT)/spec-cluster
	$(Q)PEER="$$E2E_PEER" PROGRAMS=$(CURDIR)/$(OUT) tools/e2e/$(if $(PEER),run,all).sh $(ONLY)

bench-cluster: export E2E_PEER := $(value PEER)
bench-cluster: ## requests, CPU, memory and delays of N canaries on a real control plane (N=1000, PEER=…)
	$(Q)tools/setup.sh e2e
	$(Q)$(MAKE) --no-print-directory all e2e-programs
	$(Q)PEER="$$E2E_PEER" PROGRAMS=$(CURDIR)/$(OUT) tools/e2e/bench.sh $(or $(N),1000)

# Between the engine and what may fail: the program stands in for these functions.
TORTURED := lua_newstate lua_close vm_keep cluster_faults scenario_hook
$(OUT)/spec-torture: $(OUT)/spec/torture/torture.o $(OUT)/engine.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) $(TORTURED:%=-Wl,--wrap=%) -o $@ $^ $(LIBS)

# Between the engine and a model of the reference: the program can put defects into these functions.
SPOILED := phase_next hooks_run policy_chain_call canary_spec_new converge_ready
$(OUT)/spec-random: $(OUT)/spec/random/random.o $(OUT)/engine.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) $(SPOILED:%=-Wl,--wrap=%) -o $@ $^ $(LIBS)

.PHONY: test-random
test-random: $(OUT)/spec-random ## random rollouts beside a model of the reference, and with defects (SEED=1 N=3000)
	$(Q)mkdir -p $(BUILD)/random
	$(Q)$(OUT)/spec-random $(BUILD)/random $(or $(SEED),1) $(or $(N),3000)
	$(Q)$(OUT)/spec-random $(BUILD)/random $(or $(SEED),1) $(or $(N),3000) defects

.PHONY: test-torture test-valgrind
test-torture: $(OUT)/spec-torture ## what if just this allocation, this reply had failed: each in turn
	$(Q)$(OUT)/spec-torture

# Without what takes five of the six seconds of CPU time of all specs, or counts it: 50 times slower here (SPEC_TIMES=1 tells).
VALGRIND := valgrind -q --leak-check=full --show-leak-kinds=definite,possible --errors-for-leak-kinds=definite,possible \
	--suppressions=spec/valgrind.supp --num-callers=20 --error-exitcode=99
TOO_SLOW := "-any command is given" "-garbage in a route" "-of a random route" "-golden: releases" "-storm of conflicts" \
	"-weights set are weights read" \
	"-policy: whatever" "-what loops or hoards" "-hold ends at holdTimeout" "-one that never ends" "-no text takes long" \
	"-hooks of one tick may" "-string and table do what the stock"
test-valgrind: $(OUT)/sluice $(OUT)/spec-engine ## unit specs but the slowest, and a rehearsal, under memcheck
	$(Q)SPEC_SLOWER=100 $(VALGRIND) $(OUT)/spec-engine $(or $(ONLY),$(TOO_SLOW))
	$(Q)$(VALGRIND) $(OUT)/sluice dry-run -f examples/podinfo/canary.yaml --metrics examples/recordings/good.yaml --objects \
	  >$(OUT)/valgrind.txt
	$(Q)echo "valgrind: a rehearsal: 1 passed, 0 failed"

$(OUT)/fake-stores: $(patsubst %.c,$(OUT)/%.o,$(wildcard spec/stores/*.c)) $(OUT)/engine.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

.PHONY: test-stores
test-stores: $(OUT)/sluice $(OUT)/fake-stores ## metric stores and receivers of alerts over TLS, in all their moods (UPDATE=1)
	$(Q)spec/stores/run.sh $(OUT)/sluice $(OUT)/fake-stores

.PHONY: e2e-stores
e2e-stores: ## a real Graphite and a real InfluxDB, asked by the daemon; InfluxDB is built once
	$(Q)tools/setup.sh stores
	$(Q)$(MAKE) --no-print-directory all
	$(Q)spec/stores/real.sh $(OUT)/sluice

test-killed: $(OUT)/sluice ## releases under a daemon that is killed again and again, and its decision log (ROUNDS=1)
	$(Q)spec/cluster/killed.sh $(OUT)/sluice $(ROUNDS)

# Fuzzers are clang's. What they come by is kept in build/fuzz/corpus, what breaks in build/fuzz/found.
FUZZ_SECONDS ?= 60
FUZZERS := $(patsubst spec/fuzz/%.c,%,$(wildcard spec/fuzz/*_fuzz.c))
$(OUT)/%_fuzz: $(OUT)/spec/fuzz/%_fuzz.o $(OUT)/engine.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LIBS)

.PHONY: fuzzers fuzz-all
fuzzers: $(FUZZERS:%=$(OUT)/%)

fuzz-all: ## all fuzzers of spec/fuzz (FUZZ_SECONDS=60 each)
	$(Q)$(MAKE) --no-print-directory FLAVOUR=fuzz CC=clang-14 fuzzers
	$(Q)spec/fuzz/run.sh $(BUILD)/fuzz $(FUZZ_SECONDS)

fuzz-%: ## one of them
	$(Q)$(MAKE) --no-print-directory FLAVOUR=fuzz CC=clang-14 $(BUILD)/fuzz/$*_fuzz
	$(Q)spec/fuzz/run.sh $(BUILD)/fuzz $(FUZZ_SECONDS) $*

lint: ## include graph, banned functions, format, luacheck, shellcheck, stubs, clang-tidy
	$(Q)tools/lint/run.sh
	$(Q)$(MAKE) --no-print-directory tidy

fmt: ## format the C sources
	$(Q)clang-format-14 -i $(wildcard engine/*.[ch] engine/*/*.[ch] spec/*/*.[ch])

# A file is looked at again when it, or a header of it, has changed: the object knows which.
tidy: $(TIDY) ## clang-tidy alone
	$(Q)echo "tidy: $(words $(TIDY)) passed, 0 failed"

$(OUT)/%.tidy: %.c $(OUT)/%.o .clang-tidy
	$(call say,TIDY,$<)
	$(Q)clang-tidy-14 --quiet $< -- -std=c11 -D_GNU_SOURCE -DSLUICE_VERSION='"$(VERSION)"' -Iengine $(LUA_CFLAGS) 2>/dev/null
	$(Q)touch $@

PREFIX ?= /usr/local
share := $(DESTDIR)$(PREFIX)/share
.PHONY: install cover
install: $(OUT)/sluice ## the binary, its manual and its completions (PREFIX=/usr/local DESTDIR=)
	install -D -s -m 755 $(OUT)/sluice $(DESTDIR)$(PREFIX)/bin/sluice
	install -d $(share)/bash-completion/completions $(share)/zsh/site-functions $(share)/fish/vendor_completions.d \
	  $(share)/man/man1
	$(OUT)/sluice completion bash >$(share)/bash-completion/completions/sluice
	$(OUT)/sluice completion zsh >$(share)/zsh/site-functions/_sluice
	$(OUT)/sluice completion fish >$(share)/fish/vendor_completions.d/sluice.fish
	tools/man.sh $(OUT)/sluice >$(share)/man/man1/sluice.1

cover: ## which lines of engine/ the specs run, by folder
	$(Q)find $(BUILD)/cover -name '*.gcda' -delete 2>/dev/null || true
	$(Q)$(MAKE) --no-print-directory FLAVOUR=cover test-unit test-cli test-scenarios test-cluster
	$(Q)tools/cover.sh $(BUILD)/cover

clean: ## remove what was built
	rm -rf $(BUILD)

-include $(shell find $(OUT) -name '*.d' 2>/dev/null)
