# SPDX-License-Identifier: BSD-2-Clause
SRCS += bsp/error.cpp bsp/dma.cpp bsp/format.cpp bsp/log.cpp bsp/clock.cpp
HOST_SRCS += bsp/error.cpp bsp/dma.cpp bsp/format.cpp bsp/log.cpp bsp/clock.cpp
SUPPORT_SRCS += tests/support/fake_clock.cpp tests/support/fake_cpu.cpp tests/support/fake_mmio.cpp
TEST_SRCS += tests/unit/test_dma.cpp tests/unit/test_log.cpp
