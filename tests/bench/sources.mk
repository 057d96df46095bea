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
