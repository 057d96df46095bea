# SPDX-License-Identifier: BSD-2-Clause
SRCS += shell/capture.cpp shell/net_service.cpp shell/frame_text.cpp shell/frame_sender.cpp
SRCS += shell/commands_net.cpp shell/commands_net_tx.cpp shell/commands_net_dump.cpp shell/commands_net_info.cpp
HOST_SRCS += shell/capture.cpp shell/net_service.cpp shell/frame_text.cpp shell/frame_sender.cpp
HOST_SRCS += shell/commands_net.cpp shell/commands_net_tx.cpp shell/commands_net_dump.cpp shell/commands_net_info.cpp
TEST_SRCS += tests/unit/test_capture.cpp tests/unit/test_frame_text.cpp tests/unit/test_net_service.cpp
TEST_SRCS += tests/unit/test_commands_net.cpp tests/unit/test_commands_net_tx.cpp tests/unit/test_commands_net_dump.cpp
NET_CONTROL_SRCS := shell/commands_net_control.cpp shell/commands_net_table.cpp shell/frame_source.cpp
SRCS += $(NET_CONTROL_SRCS) shell/commands_net_bench.cpp shell/bench_loops.cpp
HOST_SRCS += $(NET_CONTROL_SRCS) shell/commands_net_bench.cpp shell/bench_loops.cpp
TEST_SRCS += tests/unit/test_commands_net_bench.cpp tests/unit/test_commands_net_bench_rx.cpp tests/unit/test_commands_net_bench_echo.cpp \
             tests/unit/test_commands_net_control.cpp tests/unit/test_commands_net_offload.cpp
SUPPORT_SRCS += tests/support/fake_net_device.cpp tests/support/net_shell.cpp tests/support/text2pcap.cpp

SHELL_SRCS := shell/console.cpp shell/history.cpp shell/line_editor.cpp shell/arguments.cpp shell/parser.cpp \
              shell/completion.cpp shell/help.cpp shell/shell.cpp \
              shell/commands_base.cpp shell/commands_memory.cpp shell/commands_tree.cpp
SRCS += $(SHELL_SRCS)
HOST_SRCS += $(SHELL_SRCS)
SRCS += shell/interfaces.cpp shell/main.cpp
HOST_SRCS += shell/interfaces.cpp
TEST_SRCS += tests/unit/test_line_editor.cpp tests/unit/test_parser.cpp tests/unit/test_console.cpp \
             tests/unit/test_shell.cpp tests/unit/test_completion.cpp tests/unit/test_commands_base.cpp \
             tests/unit/test_commands_memory.cpp tests/unit/test_commands_tree.cpp
TEST_SRCS += tests/unit/test_interfaces.cpp
FIXTURES += tests/fixtures/shell.dts
ifeq ($(TEST_COMMANDS),1)
SRCS += shell/commands_crash.cpp
endif
