# SPDX-License-Identifier: BSD-2-Clause
SRCS += bsp/error.cpp bsp/dma.cpp bsp/format.cpp bsp/log.cpp bsp/clock.cpp
HOST_SRCS += bsp/error.cpp bsp/dma.cpp bsp/format.cpp bsp/log.cpp bsp/clock.cpp
SUPPORT_SRCS += tests/support/fake_clock.cpp tests/support/fake_cpu.cpp tests/support/fake_mmio.cpp
TEST_SRCS += tests/unit/test_dma.cpp tests/unit/test_log.cpp
SRCS += bsp/boot.cpp bsp/cpu.cpp bsp/mmu.cpp bsp/panic.cpp bsp/runtime.cpp bsp/trap.cpp
ASM_SRCS += bsp/start.S bsp/trap.S bsp/probe.S
SRCS += bsp/backtrace.cpp bsp/memory_map.cpp bsp/page_tables.cpp bsp/sbi.cpp bsp/trap_cause.cpp
HOST_SRCS += bsp/backtrace.cpp bsp/memory_map.cpp bsp/page_tables.cpp bsp/sbi.cpp bsp/trap_cause.cpp
ifeq ($(TEST_COMMANDS),1)
SRCS += bsp/crash_test.cpp
endif
SUPPORT_SRCS += tests/support/fake_sbi.cpp
TEST_SRCS += tests/unit/test_backtrace.cpp tests/unit/test_memory_map.cpp tests/unit/test_page_tables.cpp tests/unit/test_sbi.cpp tests/unit/test_trap_cause.cpp
