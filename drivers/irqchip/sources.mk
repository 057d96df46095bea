# SPDX-License-Identifier: BSD-2-Clause
SRCS += drivers/irqchip/plic.cpp drivers/irqchip/irqchip_probe.cpp
HOST_SRCS += drivers/irqchip/plic.cpp drivers/irqchip/irqchip_probe.cpp
SUPPORT_SRCS += tests/support/fake_plic.cpp
TEST_SRCS += tests/unit/test_interrupt_storm.cpp tests/unit/test_plic.cpp tests/unit/test_irqchip_probe.cpp
FIXTURES += tests/fixtures/probe_plic.dts
