# SPDX-License-Identifier: BSD-2-Clause
UART_SRCS := drivers/uart/ns16550.cpp drivers/uart/sifive_uart.cpp drivers/uart/sbi_console.cpp drivers/uart/uart_probe.cpp

SRCS += $(UART_SRCS)
HOST_SRCS += $(UART_SRCS)
SUPPORT_SRCS += tests/support/fake_uart.cpp
TEST_SRCS += tests/unit/test_ns16550.cpp tests/unit/test_sifive_uart.cpp tests/unit/test_sbi_console.cpp \
             tests/unit/test_uart_probe.cpp
FIXTURES += tests/fixtures/probe_console.dts tests/fixtures/probe_stdout.dts
