# SPDX-License-Identifier: BSD-2-Clause
SRCS += drivers/uart/ns16550.cpp drivers/uart/sifive_uart.cpp drivers/uart/sbi_console.cpp drivers/uart/uart_probe.cpp
HOST_SRCS += drivers/uart/ns16550.cpp drivers/uart/sifive_uart.cpp
SUPPORT_SRCS += tests/support/fake_uart.cpp
TEST_SRCS += tests/unit/test_ns16550.cpp tests/unit/test_sifive_uart.cpp
