# SPDX-License-Identifier: BSD-2-Clause
# netbsp: one non-recursive makefile. Each room lists its own files in sources.mk; a board is a directory of data.
#
#   make run        install what is missing, build, boot to the prompt on QEMU
#   make test       unit tests (host, ASan + UBSan) and system tests (QEMU)
#   make help       everything else

BOARD ?= qemu-virt
BOARD_DIR ?= boards/$(BOARD)
ifneq ($(origin BOARD_DIR),file)
BOARD := $(notdir $(abspath $(BOARD_DIR)))
endif
CROSS_COMPILE ?= riscv64-linux-gnu-
LIBFDT_DIR ?= .cache/libfdt
V ?= 0
Q := $(if $(filter 0,$(V)),@)
PYTHON := /usr/bin/python3

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif

# ---- board: BOARD_ARCH BOARD_ABI BOARD_LOAD BOARD_STACK_SIZE BOARD_QEMU ------------------------------------------------
BOARD_ARCH := rv64gc
BOARD_ABI := lp64d
BOARD_LOAD := 0x80200000
BOARD_STACK_SIZE := 16384
BOARD_QEMU :=
ifeq ($(wildcard $(BOARD_DIR)/board.mk),)
$(error no board at $(BOARD_DIR): it has no board.mk (boards here: $(notdir $(wildcard boards/*))))
endif
include $(BOARD_DIR)/board.mk

# TEST_COMMANDS=1 adds the shell command `crash`, for the tests of the panic paths; never part of a normal image.
TEST_COMMANDS ?= 0
VARIANT := $(if $(filter 1,$(TEST_COMMANDS)),-test)
# Extra preprocessor definitions for experiments; give OUT= and SHARED= too, to keep the real objects.
EXTRA_DEFINES ?=
OUT ?= build/$(BOARD)$(VARIANT)
# Objects that know nothing of the board are shared by all images of one ISA and ABI.
SHARED ?= build/$(BOARD_ARCH)-$(BOARD_ABI)
IMAGE_SRCS := shell/main.cpp bsp/trap.cpp bsp/crash_test.cpp shell/commands_crash.cpp

# ---- sources ----------------------------------------------------------------------------------------------------------
SRCS :=
ASM_SRCS :=
HOST_SRCS :=
TEST_SRCS := tests/unit/main.cpp
SUPPORT_SRCS :=
FIXTURES :=
include bsp/sources.mk fdt/sources.mk drivers/uart/sources.mk drivers/irqchip/sources.mk drivers/virtio/sources.mk \
        drivers/net/sources.mk shell/sources.mk
LIBFDT_SRCS := fdt.c fdt_ro.c

# ---- tools and flags --------------------------------------------------------------------------------------------------
CXX_TARGET := $(CROSS_COMPILE)g++
CC_TARGET := $(CROSS_COMPILE)gcc
OBJCOPY := $(CROSS_COMPILE)objcopy
OBJDUMP := $(CROSS_COMPILE)objdump
NM := $(CROSS_COMPILE)nm
SIZE := $(CROSS_COMPILE)size
HOST_CXX ?= g++
VERSION := $(shell git describe --always --dirty 2>/dev/null || echo unknown)
# picolibc built for speed: the default build copies and clears byte by byte.
PICOLIBC := /usr/lib/picolibc/riscv64-unknown-elf/lib/release/libc.a

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Werror
ARCH_FLAGS := -march=$(BOARD_ARCH) -mabi=$(BOARD_ABI) -mcmodel=medany -fno-pic -no-pie
# -fno-tree-vectorize: at -O2 GCC 12 vectorises the two bytes of a Result<void>, one of them indeterminate, and then returns success
# and failure alike.
# -malign-data=natural: the default aligns each string to 8 bytes.
COMMON_FLAGS := -fno-tree-vectorize -g -ffunction-sections -fdata-sections -malign-data=natural -fno-stack-protector \
                -fno-asynchronous-unwind-tables -U_FORTIFY_SOURCE -ffile-prefix-map=$(CURDIR)/=
CXXFLAGS := -std=c++20 $(COMMON_FLAGS) $(ARCH_FLAGS) -fno-exceptions -fno-rtti -fno-threadsafe-statics $(WARNINGS) \
            -I. -isystem build/include -DFMT_USE_INT128=0 $(EXTRA_DEFINES)
IMAGE_FLAGS := -I$(BOARD_DIR) -DNETBSP_BOARD='"$(BOARD)"' $(if $(filter 1,$(TEST_COMMANDS)),-DNETBSP_TEST_COMMANDS)
# Reading the tree is most of the boot time: built for speed, and for version 17 only (4: ASSUME_LATEST), which Tree::create() checks.
CFLAGS_LIBFDT := -std=gnu11 -O2 -DFDT_ASSUME_MASK=4 $(COMMON_FLAGS) $(ARCH_FLAGS) -w -I$(LIBFDT_DIR)
ASFLAGS := $(ARCH_FLAGS) -I.
LDFLAGS := -nostdlib -static -no-pie -Wl,--gc-sections -Wl,--build-id=none -Wl,-T,linker/netbsp.ld \
           -Wl,--defsym=LOAD_ADDRESS=$(BOARD_LOAD) -Wl,--defsym=STACK_SIZE=$(BOARD_STACK_SIZE) \
           -Wl,--no-warn-rwx-segments -Wl,-z,max-page-size=4096
LIBS := $(PICOLIBC) -lgcc

# Code under test runs under both sanitizers; the tests themselves only under ASan, which halves the time to compile them.
HOST_FLAGS := -std=c++20 -g1 -fno-omit-frame-pointer -DCPPUTEST_MEM_LEAK_DETECTION_DISABLED -DNETBSP_VERSION='"test"' \
              -DNETBSP_BOARD='"host"' -DFIXTURE_DIR='"build/host/fixtures"' -Wall -Wextra -Wshadow -Werror -I.
HOST_CODE_FLAGS := $(HOST_FLAGS) -O1 -fsanitize=address,undefined -fno-sanitize-recover=all
HOST_TEST_FLAGS := $(HOST_FLAGS) -O0 -fsanitize=address

OBJS := $(patsubst %,$(OUT)/%.o,$(filter $(IMAGE_SRCS),$(SRCS))) \
        $(patsubst %,$(SHARED)/%.o,$(filter-out $(IMAGE_SRCS),$(SRCS)) $(ASM_SRCS))
FDT_OBJS := $(patsubst %.c,$(SHARED)/libfdt/%.o,$(LIBFDT_SRCS))
HOST_OBJS := $(patsubst %,build/host/%.o,$(HOST_SRCS) $(TEST_SRCS) $(SUPPORT_SRCS))
FIXTURE_DTBS := $(patsubst tests/fixtures/%.dts,build/host/fixtures/%.dtb,$(FIXTURES))

# ---- image ------------------------------------------------------------------------------------------------------------
.PHONY: all
all: $(OUT)/netbsp.elf $(OUT)/netbsp.bin compile_commands.json

$(OUT)/netbsp.elf: $(OBJS) $(FDT_OBJS) $(OUT)/flags linker/netbsp.ld scripts/check-image
	@echo "  LD      $@"
	$(Q)$(CXX_TARGET) $(ARCH_FLAGS) $(LDFLAGS) -o $@.tmp $(OBJS) $(FDT_OBJS) $(LIBS)
	$(Q)OBJDUMP=$(OBJDUMP) NM=$(NM) scripts/check-image $@.tmp $(OBJS)
	$(Q)mv $@.tmp $@

$(OUT)/netbsp.bin: $(OUT)/netbsp.elf
	@echo "  OBJCOPY $@"
	$(Q)$(OBJCOPY) -O binary $< $@

# The toolchain, libfdt and the header-only libraries are there before anything is compiled.
build/include/.stamp: | $(if $(wildcard build/include/.stamp),,install-deps-run)
	$(Q)mkdir -p build/include && ln -sfn /usr/include/fmt build/include/fmt && ln -sfn /usr/include/tl build/include/tl
	$(Q)touch $@

# Downloaded only into the cache; a directory that the user named is taken as it is.
ifeq ($(LIBFDT_DIR),.cache/libfdt)
$(LIBFDT_DIR)/libfdt.h: | build/include/.stamp
	$(Q)LIBFDT_DIR= scripts/fetch-libfdt $(LIBFDT_DIR)
else
$(LIBFDT_DIR)/libfdt.h:
	$(error LIBFDT_DIR=$(LIBFDT_DIR) holds no libfdt.h)
endif

.PHONY: install-deps-run install-deps-test install-deps-fuzz install-deps-lint
# One apt at a time.
install-deps-test install-deps-lint: | install-deps-run
install-deps-fuzz: | install-deps-test
install-deps-lint: | $(if $(filter test test-unit test-system,$(MAKECMDGOALS)),install-deps-test) \
                     $(if $(filter fuzz test-fuzz,$(MAKECMDGOALS)),install-deps-fuzz)
install-deps-run install-deps-test install-deps-fuzz install-deps-lint: install-deps-%:
	$(Q)scripts/install-deps $*

# Speed matters where frames pass, size everywhere else: there even prologues are shared (-msave-restore), but for what each sleep and
# each interrupt go through. Reading the tree is much of what runs before the prompt: -O1 takes a fifth of all its instructions away, -O2
# is larger than 160 KiB leave room for.
OPTIMISE := -Os -msave-restore
# -fno-schedule-insns: before registers are allocated it keeps more values alive in the loops than there are registers for.
FAST := -O2 -fno-schedule-insns
FAST_SRCS := drivers/net/virtio_net_rx.cpp drivers/net/virtio_net_tx.cpp shell/bench_loops.cpp
WAKE_SRCS := bsp/cpu.cpp drivers/irqchip/plic.cpp shell/net_service.cpp

# Flags belong to the objects: a change of flags, board or version rebuilds what it touches.
FLAGS_ID := $(CXX_TARGET) $(OPTIMISE) $(FAST) $(FAST_SRCS) $(WAKE_SRCS) -O1 $(CXXFLAGS) $(CFLAGS_LIBFDT)
.PHONY: force
$(SHARED)/flags: force
	@mkdir -p $(@D); echo '$(subst ','"'"',$(FLAGS_ID))' | cmp -s - $@ || echo '$(subst ','"'"',$(FLAGS_ID))' > $@
$(OUT)/flags: force
	@mkdir -p $(@D); echo '$(subst ','"'"',$(FLAGS_ID) $(IMAGE_FLAGS) $(LDFLAGS))' | cmp -s - $@ || \
	  echo '$(subst ','"'"',$(FLAGS_ID) $(IMAGE_FLAGS) $(LDFLAGS))' > $@
$(SHARED)/version.hpp: force
	@mkdir -p $(@D); echo '#define NETBSP_VERSION "$(VERSION)"' | cmp -s - $@ || echo '#define NETBSP_VERSION "$(VERSION)"' > $@

$(patsubst %,$(SHARED)/%.o,$(FAST_SRCS)): OPTIMISE := $(FAST)
$(patsubst %,$(SHARED)/%.o,$(WAKE_SRCS)): OPTIMISE := -Os
$(SHARED)/fdt/tree.cpp.o: OPTIMISE := -O1

COMPILE_DEPS := build/include/.stamp $(LIBFDT_DIR)/libfdt.h

$(SHARED)/shell/commands_base.cpp.o: $(SHARED)/version.hpp
$(SHARED)/shell/commands_base.cpp.o: VERSION_FLAGS := -include $(SHARED)/version.hpp

$(OUT)/%.cpp.o: %.cpp $(OUT)/flags $(COMPILE_DEPS)
	@echo "  CXX     $<"; mkdir -p $(@D)
	$(Q)$(CXX_TARGET) $(OPTIMISE) $(CXXFLAGS) $(IMAGE_FLAGS) -isystem $(LIBFDT_DIR) -MMD -MP -c -o $@ $<

$(SHARED)/%.cpp.o: %.cpp $(SHARED)/flags $(COMPILE_DEPS)
	@echo "  CXX     $<"; mkdir -p $(@D)
	$(Q)$(CXX_TARGET) $(OPTIMISE) $(CXXFLAGS) $(VERSION_FLAGS) -isystem $(LIBFDT_DIR) -MMD -MP -c -o $@ $<

$(SHARED)/%.S.o: %.S $(SHARED)/flags $(COMPILE_DEPS)
	@echo "  AS      $<"; mkdir -p $(@D)
	$(Q)$(CC_TARGET) $(ASFLAGS) -MMD -MP -c -o $@ $<

$(FDT_OBJS): $(SHARED)/libfdt/%.o: $(LIBFDT_DIR)/%.c $(SHARED)/flags $(COMPILE_DEPS)
	@echo "  CC      libfdt/$*.c"; mkdir -p $(@D)
	$(Q)$(CC_TARGET) $(CFLAGS_LIBFDT) -MMD -MP -c -o $@ $<

$(addprefix $(LIBFDT_DIR)/,$(LIBFDT_SRCS)): $(LIBFDT_DIR)/libfdt.h ;

# Without what clang does not know.
compile_commands.json: $(OUT)/flags $(MAKEFILE_LIST)
	$(Q)scripts/compile-commands '$(CURDIR)' '$(CXX_TARGET)' '$(subst ','"'"',$(filter-out -malign-data=natural,$(CXXFLAGS)) $(IMAGE_FLAGS) -isystem $(LIBFDT_DIR))' $(SRCS) > $@

# ---- benchmarks -------------------------------------------------------------------------------------------------------
include tests/bench/sources.mk

# ---- run --------------------------------------------------------------------------------------------------------------
NET ?= user
QEMU_ARGS ?=
.PHONY: run debug
run: all
	$(Q)BOARD_QEMU='$(BOARD_QEMU)' NET='$(NET)' QEMU_ARGS='$(QEMU_ARGS)' scripts/run-qemu $(OUT)/netbsp.elf
debug: all
	@echo "QEMU waits for: gdb-multiarch $(OUT)/netbsp.elf -ex 'target remote :1234'"
	$(Q)BOARD_QEMU='$(BOARD_QEMU)' NET='$(NET)' QEMU_ARGS='$(QEMU_ARGS) -S -s' scripts/run-qemu $(OUT)/netbsp.elf

# ---- tests ------------------------------------------------------------------------------------------------------------
.PHONY: test test-unit test-system test-soak
test: # one after the other: the system tests keep time
	$(Q)$(MAKE) --no-print-directory test-unit
	$(Q)$(MAKE) --no-print-directory test-system

test-unit: build/host/unit-tests $(FIXTURE_DTBS)
	$(Q)scripts/run-unit-tests $<

build/host/.deps: | install-deps-test
	$(Q)mkdir -p build/host && touch $@

build/host/unit-tests: $(HOST_OBJS)
	@echo "  HOSTLD  $@"
	$(Q)$(HOST_CXX) -fsanitize=address,undefined -o $@ $^ -lCppUTest -lCppUTestExt -lfdt

build/host/flags: force
	@mkdir -p $(@D); echo '$(subst ','"'"',$(HOST_CODE_FLAGS) $(HOST_TEST_FLAGS))' | cmp -s - $@ || \
	  echo '$(subst ','"'"',$(HOST_CODE_FLAGS) $(HOST_TEST_FLAGS))' > $@

build/host/precompiled.hpp.gch: tests/support/precompiled.hpp build/host/.deps build/host/flags
	@echo "  HOSTCXX $<"; mkdir -p $(@D)
	$(Q)$(HOST_CXX) $(HOST_TEST_FLAGS) -x c++-header -o $@ $<

build/host/tests/unit/%.cpp.o: tests/unit/%.cpp build/host/precompiled.hpp.gch build/host/.deps build/host/flags
	@echo "  HOSTCXX $<"; mkdir -p $(@D)
	$(Q)$(HOST_CXX) $(HOST_TEST_FLAGS) -include build/host/precompiled.hpp -MMD -MP -c -o $@ $<

build/host/%.cpp.o: %.cpp build/host/.deps build/host/flags
	@echo "  HOSTCXX $<"; mkdir -p $(@D)
	$(Q)$(HOST_CXX) $(HOST_CODE_FLAGS) -MMD -MP -c -o $@ $<

build/host/fixtures/%.dtb: tests/fixtures/%.dts build/host/.deps
	@echo "  DTC     $<"; mkdir -p $(@D)
	$(Q)dtc -q -I dts -O dtb -o $@ $<

.PHONY: images
images: # what the system tests run, whatever BOARD says
	$(Q)$(MAKE) --no-print-directory BOARD=qemu-virt BOARD_DIR=boards/qemu-virt TEST_COMMANDS=0 all
	$(Q)$(MAKE) --no-print-directory BOARD=sifive-u BOARD_DIR=boards/sifive-u TEST_COMMANDS=0 all
	$(Q)$(MAKE) --no-print-directory BOARD=qemu-virt BOARD_DIR=boards/qemu-virt TEST_COMMANDS=1 all

test-system: images build/host/.deps
	$(Q)$(PYTHON) -B -m pytest -q tests/system -n 2 -m 'not soak' -p no:cacheprovider

test-soak: images build/host/.deps
	$(Q)$(PYTHON) -B -m pytest -q tests/system -n 2 -m 'soak' -p no:cacheprovider

# ---- fuzzing ----------------------------------------------------------------------------------------------------------
# libFuzzer programs over the same sources as the unit tests, and libfdt with the image's assumptions; built only when asked for.
FUZZ_CXX ?= clang++
FUZZ_TARGETS ?= fdt shell device control
FUZZ_SECONDS ?= 60
FUZZ_JOBS ?= 1
# What the fakes go through is no progress, so only the code under test and the fuzzers themselves are watched.
FUZZ_COVERAGE := -fsanitize=fuzzer-no-link
build/fuzz/tests/support/%.o: FUZZ_COVERAGE :=
FUZZ_FLAGS := -std=c++20 -O1 -g1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all -D_GLIBCXX_ASSERTIONS \
              -DNETBSP_VERSION='"fuzz"' -DNETBSP_BOARD='"host"' -DFIXTURE_DIR='"build/host/fixtures"' -Wall -Wextra -Wshadow -I. -isystem $(LIBFDT_DIR)
FUZZ_CFLAGS_LIBFDT := -std=gnu11 -O1 -g1 -fsanitize=address -DFDT_ASSUME_MASK=4 -w -I$(LIBFDT_DIR)
# Support that needs the unit test framework stays out.
FUZZ_LIB_SRCS := $(HOST_SRCS) $(filter-out tests/support/net_shell.cpp tests/support/text2pcap.cpp,$(SUPPORT_SRCS)) \
                tests/fuzz/hostile_device.cpp tests/fuzz/hostile_nic.cpp tests/fuzz/hostile_rings.cpp
FUZZ_LIB_OBJS := $(patsubst %,build/fuzz/%.o,$(FUZZ_LIB_SRCS)) $(patsubst %.c,build/fuzz/libfdt/%.o,$(LIBFDT_SRCS))
FUZZ_PROGRAMS := $(patsubst %,build/fuzz/fuzz_%,$(FUZZ_TARGETS))
FUZZ_MAIN_OBJS := $(patsubst %,build/fuzz/tests/fuzz/fuzz_%.cpp.o,$(FUZZ_TARGETS))

.PHONY: fuzz test-fuzz
fuzz: $(FUZZ_PROGRAMS) build/fuzz/seeds/.stamp
	$(Q)scripts/run-fuzz --seconds '$(FUZZ_SECONDS)' --jobs '$(FUZZ_JOBS)' $(FUZZ_TARGETS)
test-fuzz: $(FUZZ_PROGRAMS) build/fuzz/seeds/.stamp
	$(Q)scripts/run-fuzz --replay --jobs 2 $(FUZZ_TARGETS)

build/fuzz/.deps: | install-deps-fuzz
	$(Q)mkdir -p build/fuzz && touch $@

build/fuzz/flags: force
	@mkdir -p $(@D); echo '$(subst ','"'"',$(FUZZ_CXX) $(FUZZ_FLAGS) $(FUZZ_CFLAGS_LIBFDT))' | cmp -s - $@ || \
	  echo '$(subst ','"'"',$(FUZZ_CXX) $(FUZZ_FLAGS) $(FUZZ_CFLAGS_LIBFDT))' > $@

build/fuzz/seeds/.stamp: tests/fuzz/make-seeds $(wildcard tests/fuzz/seeds/*.txt) docs/shell.md $(FIXTURE_DTBS) build/fuzz/.deps
	$(Q)$(PYTHON) tests/fuzz/make-seeds build/fuzz/seeds && touch $@

$(FUZZ_PROGRAMS): build/fuzz/fuzz_%: build/fuzz/tests/fuzz/fuzz_%.cpp.o build/fuzz/library.a
	@echo "  FUZZLD  $@"
	$(Q)$(FUZZ_CXX) -fsanitize=fuzzer,address,undefined -o $@ $^

# Made anew each time: an archive keeps members whose source is gone.
build/fuzz/library.a: $(FUZZ_LIB_OBJS)
	$(Q)rm -f $@ && ar rcs $@ $^

build/fuzz/%.cpp.o: %.cpp build/fuzz/.deps build/fuzz/flags $(LIBFDT_DIR)/libfdt.h
	@echo "  FUZZCXX $<"; mkdir -p $(@D)
	$(Q)$(FUZZ_CXX) $(FUZZ_FLAGS) $(FUZZ_COVERAGE) -MMD -MP -c -o $@ $<

build/fuzz/libfdt/%.o: $(LIBFDT_DIR)/%.c build/fuzz/.deps build/fuzz/flags
	@echo "  FUZZCC  libfdt/$*.c"; mkdir -p $(@D)
	$(Q)$(FUZZ_CXX) -x c $(FUZZ_CFLAGS_LIBFDT) $(FUZZ_COVERAGE) -c -o $@ $<

# ---- lint -------------------------------------------------------------------------------------------------------------
CXX_FILES = $(shell git ls-files '*.cpp' '*.hpp')
.PHONY: lint lint-format lint-tidy lint-arrows format
lint: lint-format lint-arrows lint-tidy all
	$(Q)$(PYTHON) scripts/virtio-rules --check
	@echo "lint: clean"
.PHONY: conformance
conformance:
	$(Q)$(PYTHON) scripts/virtio-rules --conformance > docs/conformance.md
lint-format: install-deps-lint
	$(if $(CXX_FILES),,$(error lint-format: git lists no files))
	$(Q)clang-format --dry-run -Werror $(CXX_FILES)
lint-arrows: install-deps-lint
	$(Q)$(PYTHON) scripts/check-arrows
lint-tidy: install-deps-lint compile_commands.json build/include/.stamp $(LIBFDT_DIR)/libfdt.h
	$(Q)scripts/run-clang-tidy $(SRCS)
format:
	$(Q)clang-format -i $(CXX_FILES)

# ---- the rest ---------------------------------------------------------------------------------------------------------
.PHONY: size clean help
$(OUT)/netbsp.elf: | $(filter images,$(MAKECMDGOALS)) # which builds it too
size: $(OUT)/netbsp.elf
	$(Q)$(SIZE) -A -d $< | awk '/^\.(text|rodata|data|bss|stacks|boot|header)/ {print}'
	$(Q)$(SIZE) $<
clean:
	rm -rf build compile_commands.json
help:
	@echo 'make run          boot to the prompt on QEMU (BOARD=, NET=, QEMU_ARGS=; Ctrl-T x ends it)'
	@echo 'make debug        the same, waiting for gdb on :1234'
	@echo 'make test         test-unit + test-system'
	@echo 'make test-unit    host tests under ASan and UBSan'
	@echo 'make test-system  the image on QEMU, a selection that takes minutes'
	@echo 'make test-soak    the full matrix; long'
	@echo 'make test-fuzz    every fuzzing seed and found case once'
	@echo 'make fuzz         libFuzzer: FUZZ_SECONDS=60 a target, FUZZ_TARGETS="$(FUZZ_TARGETS)", FUZZ_JOBS=1'
	@echo 'make bench        netbsp against the least a guest can do, in paired rounds (docs/performance.md); bench-growth, bench-count'
	@echo 'make conformance  writes docs/conformance.md anew'
	@echo 'make lint         format, clang-tidy, include arrows, FP and operator new checks'
	@echo 'make format size clean'
	@echo 'BOARD=<name> or BOARD_DIR=<dir>   the board (here: $(notdir $(wildcard boards/*)))'
	@echo 'LIBFDT_DIR=<dir>  your own copy of the libfdt sources; CROSS_COMPILE=, V=1'

-include $(OBJS:.o=.d) $(FDT_OBJS:.o=.d) $(HOST_OBJS:.o=.d) $(FUZZ_LIB_OBJS:.o=.d) $(FUZZ_MAIN_OBJS:.o=.d)
