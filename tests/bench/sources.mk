# SPDX-License-Identifier: BSD-2-Clause
# make bench-count: instructions a frame, exact, held below tests/bench/count/bounds.
COUNT_OBJS := $(OUT)/tests/bench/count/main.cpp.o $(OUT)/bsp/trap.cpp.o \
              $(patsubst %,$(SHARED)/%.o,$(filter-out $(IMAGE_SRCS) shell/%,$(SRCS)) $(ASM_SRCS))

$(OUT)/bench-count.elf: $(COUNT_OBJS) $(FDT_OBJS) linker/netbsp.ld
	@echo "  LD      $@"
	$(Q)$(CXX_TARGET) $(ARCH_FLAGS) $(LDFLAGS) -o $@ $(COUNT_OBJS) $(FDT_OBJS) $(LIBS)

.PHONY: bench-count
bench-count: $(OUT)/bench-count.elf
	$(Q)$(PYTHON) tests/bench/count/run $< tests/bench/count/bounds
-include $(COUNT_OBJS:.o=.d)

# make bench, make bench-growth: netbsp against the floor, on this machine, which must have nothing else to do.
FLOOR_SRCS := tests/bench/floor/start.S tests/bench/floor/main.cpp
FLOOR_FLAGS := -std=c++20 -O2 -g -ffreestanding -fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-stack-protector \
               -fno-asynchronous-unwind-tables -fno-tree-loop-distribute-patterns -nostdlib -static -march=rv64gc -mabi=lp64d \
               -mcmodel=medany -fno-pic -no-pie $(WARNINGS) -Wl,--build-id=none -Wl,--no-warn-rwx-segments
PEER_SRCS := tests/bench/peer/main.cpp tests/bench/peer/link.cpp
# Boards that differ from qemu-virt in the size of their rings.
GROWTH_RINGS := 16 32 64 128 512 1024
GROWTH_IMAGES := $(addprefix growth-image-,$(GROWTH_RINGS))

build/bench/floor.elf: $(FLOOR_SRCS) tests/bench/floor/floor.ld $(wildcard tests/bench/floor/*.hpp) build/include/.stamp
	@echo "  FLOOR   $@"; mkdir -p $(@D)
	$(Q)$(CXX_TARGET) $(FLOOR_FLAGS) -T tests/bench/floor/floor.ld -o $@ $(FLOOR_SRCS)

build/bench/peer: $(PEER_SRCS) tests/bench/peer/link.hpp build/host/.deps
	@echo "  HOSTCXX $@"; mkdir -p $(@D)
	$(Q)$(HOST_CXX) -std=c++20 -O2 -Wall -Wextra -Wshadow -Werror -o $@ $(PEER_SRCS)

build/bench/boards/ring-%/board.mk: boards/qemu-virt/board.mk boards/qemu-virt/board.hpp
	$(Q)mkdir -p $(@D) && cp boards/qemu-virt/board.mk $@
	$(Q)sed 's/\(net_queue_size =\) [0-9]*/\1 $*/' boards/qemu-virt/board.hpp > $(@D)/board.hpp

.PRECIOUS: build/bench/boards/ring-%/board.mk
# By names that no file has: inside, build/bench/ring-N/netbsp.elf is a target like any board's.
.PHONY: $(GROWTH_IMAGES)
$(GROWTH_IMAGES): growth-image-%: build/bench/boards/ring-%/board.mk images-bench
	$(Q)$(MAKE) --no-print-directory BOARD_DIR=build/bench/boards/ring-$* OUT=build/bench/ring-$* build/bench/ring-$*/netbsp.elf

.PHONY: images-bench bench bench-growth
images-bench:
	$(Q)$(MAKE) --no-print-directory BOARD=qemu-virt BOARD_DIR=boards/qemu-virt TEST_COMMANDS=0 build/qemu-virt/netbsp.elf
bench: build/bench/floor.elf build/bench/peer images-bench
	$(Q)$(PYTHON) tests/bench/run
bench-growth: build/bench/floor.elf build/bench/peer images-bench $(GROWTH_IMAGES)
	$(Q)$(PYTHON) tests/bench/run --growth
