# SPDX-License-Identifier: BSD-2-Clause
# fdt/: the device tree. Of libfdt it needs fdt.c and fdt_ro.c, nothing else.

FDT_SRCS := fdt/tree.cpp fdt/address.cpp fdt/interrupt.cpp fdt/chosen.cpp

SRCS += $(FDT_SRCS)
HOST_SRCS += $(FDT_SRCS)
TEST_SRCS += tests/unit/test_fdt_tree.cpp tests/unit/test_fdt_address.cpp tests/unit/test_fdt_interrupt.cpp \
             tests/unit/test_fdt_chosen.cpp tests/unit/test_fdt_hostile.cpp
FIXTURES += tests/fixtures/fdt_virt.dts tests/fixtures/fdt_multi_hart.dts tests/fixtures/fdt_ranges.dts \
            tests/fixtures/fdt_malformed.dts tests/fixtures/fdt_memory.dts tests/fixtures/fdt_stdout.dts \
            tests/fixtures/fdt_small.dts
